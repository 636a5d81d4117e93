"""What a component's schemas say holds at both ends of its steps, whatever its type, and a refusal names the place."""

from typing import Any

import pytest

from tests.system.console import Console, Json, fresh

LEAST = {
    "type": "object",
    "properties": {
        "count": {"type": "integer", "minimum": 1},
        "rows": {"type": "array", "items": {"type": "object", "required": ["id"]}},
        "name": {"type": "string", "pattern": "^[a-z]+$"},
    },
    "required": ["count"],
}
GIVEN: Json = {"count": 1, "rows": [{"id": 1}], "name": "a"}
WRONG: list[tuple[Json, str, str]] = [
    ({"count": 0}, "inputs.count", "must be at least 1, not 0"),
    ({"rows": [{"id": 1}, {}]}, "inputs.rows[1]", "lacks 'id', which is required"),
    ({"name": "A"}, "inputs.name", 'must match ^[a-z]+$, not be "A"'),
]
PYTHON = "def main(count, rows=(), name='') -> dict:\n    return {'count': count}\n"
TYPESCRIPT = "export function main({ count }: any): any { return { count }; }"


async def made(admin: Console, kind: str, field: str, config: Json, **schemas: Json) -> Json:
    """A component's version, with its definition's name as `name`."""
    name = fresh("typed")
    body = {
        "definition": {"name": name, "type": kind},
        "initialVersion": {"version": "1.0.0", field: config, **schemas},
    }
    answer = await admin.call("POST", "/api/v1/mcp-definitions", json=body)
    return {**answer["initialVersion"], "name": name}


async def tried(admin: Console, version: Json, inputs: Json) -> tuple[Json, Json]:
    """What became of its test run, and its step."""
    answer = await admin.call("POST", f"/api/v1/mcp-versions/{version['id']}:test", json={"inputs": inputs})
    run = await admin.finish(answer["run"]["id"])
    return run, (await admin.steps(run["id"]))["test"]


async def refused(admin: Console, kind: str, field: str, config: Json, output: Json, **schemas: Any) -> str:
    """How an output that is not the component's ends its run."""
    version = await made(admin, kind, field, config, outputSchema=output, **schemas)
    run, step = await tried(admin, version, {})
    assert (run["status"], step["error"]["kind"]) == ("FAILED", "INVALID_OUTPUT"), step
    assert "output" not in step
    return str(step["error"]["message"])


@pytest.mark.parametrize(
    ("kind", "field", "config"),
    [
        ("PYTHON_SCRIPT", "pythonScript", {"codeContent": PYTHON}),
        ("TYPESCRIPT_SCRIPT", "typescriptScript", {"codeContent": TYPESCRIPT}),
        ("UTILITY", "utility", {"expression": "{'count': inputs.count}"}),
    ],
)
async def test_inputs_have_to_be_what_the_schema_says_before_a_run_and_in_a_step(
    admin: Console, kind: str, field: str, config: Json
) -> None:
    version = await made(admin, kind, field, config, inputSchema=LEAST)
    right, _ = await tried(admin, version, GIVEN)
    assert right["outputs"] == {"output": {"count": 1}}

    for change, place, why in WRONG:
        path = f"/api/v1/mcp-versions/{version['id']}:test"
        answer = await admin.http.post(path, json={"inputs": GIVEN | change})
        assert answer.status_code == 400
        assert answer.json()["message"] == f"{place}: {why}"

    workflow = await admin.workflow(
        f"""
        name: NAME
        inputs: {{count: {{type: integer}}}}
        steps:
          - {{id: a, component: {version["name"]}, with: {{count: "${{{{ inputs.count - 5 }}}}"}}}}
        """
    )
    run = await admin.finish(await admin.start(workflow["name"], count=5))
    error = (await admin.steps(run["id"]))["a"]["error"]

    assert (run["status"], error["kind"]) == ("FAILED", "INVALID_INPUT")
    assert "count" in error["message"]
    assert "must be at least 1, not 0" in error["message"]


async def test_an_output_has_to_be_what_main_says_it_returns(admin: Console) -> None:
    name = await admin.python("def main() -> list[int]:\n    return [1, 'x']\n")
    workflow = await admin.workflow(f"name: NAME\nsteps: [{{id: a, component: {name}}}]")
    run = await admin.finish(await admin.start(workflow["name"]))

    assert run["status"] == "FAILED"
    assert run["error"]["kind"] == "INVALID_OUTPUT"
    assert "output[1] must be an integer, not a string" in run["error"]["message"]


async def test_an_output_has_to_be_what_the_author_says(admin: Console) -> None:
    wanted = {"type": "object", "properties": {"n": {"type": "integer", "maximum": 3}}, "required": ["n"]}
    python = {"codeContent": "def main():\n    return {'n': 4}\n"}
    script = {"codeContent": "export function main() { return { n: 4 }; }"}
    notebook = {"notebookCells": [{"type": "code", "content": "outputs = {'n': 4}"}]}

    told = {
        "python": await refused(admin, "PYTHON_SCRIPT", "pythonScript", python, wanted),
        "typescript": await refused(admin, "TYPESCRIPT_SCRIPT", "typescriptScript", script, wanted),
        "notebook": await refused(admin, "JUPYTER_NOTEBOOK", "jupyterNotebook", notebook, wanted),
        "utility": await refused(admin, "UTILITY", "utility", {"expression": "{'n': 4}"}, wanted),
        "data": await refused(admin, "DATA", "data", {"value": {"n": 4}}, wanted),
    }

    why = "output.n must be at most 3, not 4, by the component's output schema"
    assert told == dict.fromkeys(told, why)


async def test_a_large_output_is_looked_at_as_well(admin: Console) -> None:
    code = "def main():\n    return [{'id': n, 'text': 'x' * 100} for n in range(10_000)] + [{'id': None}]\n"
    wanted = {"type": "array", "items": {"properties": {"id": {"type": "integer"}}}}

    told = await refused(admin, "PYTHON_SCRIPT", "pythonScript", {"codeContent": code}, wanted)

    assert told == "output[10000].id must be an integer, not null, by the component's output schema"


async def test_a_large_input_is_looked_at_as_well(admin: Console) -> None:
    make = await admin.python(
        "def main():\n    return [{'id': n, 'text': 'x' * 100} for n in range(10_000)]\n"
    )
    items = {"type": "array", "items": {"properties": {"id": {"type": "integer", "maximum": 9_998}}}}
    version = await made(
        admin,
        "PYTHON_SCRIPT",
        "pythonScript",
        {"codeContent": "def main(rows, n):\n    return len(rows)\n"},
        inputSchema={"properties": {"rows": items, "n": {}}},
    )
    workflow = await admin.workflow(
        f"""
        name: NAME
        steps:
          - {{id: make, component: {make}}}
          - id: use
            component: {version["name"]}
            with: {{n: 1, rows: "${{{{ steps.make.output }}}}"}}
        """
    )
    run = await admin.finish(await admin.start(workflow["name"]))

    assert run["error"]["kind"] == "INVALID_INPUT"
    assert "the input 'rows[9999].id' must be at most 9998, not 9999" in run["error"]["message"]


async def test_a_schema_that_refers_to_itself_holds_at_every_level(admin: Console) -> None:
    tree = {"properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}, "value": {"type": "integer"}}}
    twice = {
        "allOf": [{"properties": {"next": {"$ref": "#"}}}] * 2,
        "properties": {"value": {"type": "integer"}},
    }
    code = "def main():\n    return {'left': {'right': {'value': 'x'}}, 'next': {'next': {'value': 'x'}}}\n"

    of_tree = await refused(admin, "PYTHON_SCRIPT", "pythonScript", {"codeContent": code}, tree)
    of_twice = await refused(admin, "PYTHON_SCRIPT", "pythonScript", {"codeContent": code}, twice)

    assert "output.left.right.value must be an integer, not a string" in of_tree
    assert "output.next.next.value must be an integer, not a string" in of_twice


@pytest.mark.parametrize(
    ("field", "schema", "why"),
    [
        ("inputSchema", {"type": "array"}, "inputs are an object"),
        ("outputSchema", {"$ref": "#"}, "refers to itself for the same value"),
    ],
)
async def test_a_schema_that_nothing_fits_is_refused_when_it_is_saved(
    admin: Console, field: str, schema: Json, why: str
) -> None:
    body = {
        "definition": {"name": fresh("typed"), "type": "PYTHON_SCRIPT"},
        "initialVersion": {"version": "1.0.0", "pythonScript": {"codeContent": PYTHON}, field: schema},
    }
    answer = await admin.http.post("/api/v1/mcp-definitions", json=body)

    assert answer.status_code == 400
    assert why in answer.text
