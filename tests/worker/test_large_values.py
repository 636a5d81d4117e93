"""Large inputs and outputs: user code sees plain values, and the worker never holds one in memory."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.worker.conftest import Start
from tests.worker.support.cells import Bench, Remembering, job
from tests.worker.support.engine import Engine, python_version
from worker.cells.attempt import Outcome, Shape
from worker.cells.limits import MIB

PYTHON = "def main(**inputs):\n    return inputs"
TYPESCRIPT = "export function main(inputs: unknown) { return inputs; }"


@dataclass(frozen=True)
class Content:
    """A large input of a test."""

    path: tuple[str, ...]
    content: bytes

    def chunks(self) -> Iterator[bytes]:
        """The bytes, in small parts."""
        for at in range(0, len(self.content), 100_000):
            yield self.content[at : at + 100_000]


async def run(bench: Bench, code: str, inputs: Any, *large: Content, most: int = 64 * MIB) -> Outcome:
    """The outcome of a job with large inputs, which may have a large output."""
    cell = await bench.ready()
    bench.sink = Remembering(refuse=bench.sink.refuse)
    return await cell.run(replace(job(code, inputs), large=large, max_output=most), bench.sink)


@pytest.mark.parametrize(("kind", "code"), [("python", PYTHON), ("typescript", TYPESCRIPT)])
async def test_user_code_is_given_plain_values_and_its_large_output_is_stored(
    kind: str, code: str, python: Bench, typescript: Bench
) -> None:
    bench = {"python": python, "typescript": typescript}[kind]
    rows = [{"id": number, "text": "x" * 100} for number in range(30_000)]
    content = json.dumps(rows).encode()

    outcome = await run(
        bench,
        code,
        {"n": 1, "list": [None, {"rows": None}]},
        Content(("list", "0"), b'"first"'),
        Content(("list", "1", "rows"), content),
        Content(("all",), b"{}"),
    )

    assert outcome.failure is None, outcome.failure
    assert (outcome.output_json, outcome.output_artifact) == (None, "the-output")
    ((shape, stored),) = bench.sink.outputs
    assert json.loads(stored) == {"n": 1, "list": ["first", {"rows": rows}], "all": {}}
    assert shape.items == {"/list": 2}
    assert shape.kinds == {"": "object", "/n": "number", "/list": "list", "/all": "object"}


async def test_a_list_is_counted_for_who_runs_once_for_each_of_its_items(python: Bench) -> None:
    outcome = await run(python, "def main():\n    return [1] * 500_000", {})

    assert outcome.output_artifact
    assert python.sink.outputs[0][0] == Shape({"": 500_000}, {"": "list"})


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (
            "python",
            "def main(**inputs):\n    return inputs | {'wide': dict.fromkeys(map(str, range(98)), 'x' * 9000)}",
        ),
        (
            "typescript",
            "export function main(inputs: Record<string, unknown>) {\n"
            "  const wide = Object.fromEntries(Array.from({ length: 98 }, (_, n) => [n, 'x'.repeat(9000)]));\n"
            "  return { ...inputs, wide };\n}",
        ),
    ],
)
async def test_an_output_is_described_as_far_down_as_the_description_is_short(
    kind: str, code: str, python: Bench, typescript: Bench
) -> None:
    bench = {"python": python, "typescript": typescript}[kind]
    inputs = {"a/b": {"~": None, "deep": {"yes": True}}, "text": "t"}

    outcome = await run(bench, code, inputs)

    assert outcome.failure is None, outcome.failure
    assert bench.sink.outputs[0][0].kinds == {
        "": "object",
        "/a~1b": "object",
        "/a~1b/~0": "null",
        "/a~1b/deep": "object",
        "/a~1b/deep/yes": "boolean",
        "/text": "string",
        "/wide": "",
    }


@pytest.mark.parametrize("content", [b'1, "admin": true', b"", b"[1", b"not json"])
@pytest.mark.parametrize(("kind", "code"), [("python", PYTHON), ("typescript", TYPESCRIPT)])
async def test_a_content_that_is_not_one_json_value_never_becomes_more_than_one_input(
    kind: str, code: str, content: bytes, python: Bench, typescript: Bench
) -> None:
    bench = {"python": python, "typescript": typescript}[kind]

    outcome = await run(bench, code, {"rows": None}, Content(("rows",), content))

    assert outcome.failure is not None
    assert outcome.failure.kind == "BAD_INPUT"
    assert "the input 'rows' is not JSON" in outcome.failure.message


async def test_an_output_over_the_limit_fails_and_names_it(python: Bench) -> None:
    outcome = await run(python, "def main():\n    return 'x' * 2_000_000", {}, most=1_000_000)

    assert outcome.failure is not None
    assert outcome.failure.kind == "INVALID_OUTPUT"
    assert "over the limit of 1,000,000" in outcome.failure.message


async def test_an_output_that_cannot_be_stored_fails_the_attempt(python: Bench) -> None:
    python.sink.refuse = "the output was not stored: no"

    outcome = await run(python, "def main():\n    return 'x' * 2_000_000", {})

    assert outcome.failure is not None
    assert (outcome.failure.kind, outcome.failure.message) == (
        "INVALID_OUTPUT",
        "the output was not stored: no",
    )
    assert outcome.output_artifact == ""


async def test_a_worker_fetches_a_large_input_once_and_gives_each_attempt_its_part(
    engine: Engine, start: Start
) -> None:
    engine.max_output_bytes = 10 * MIB
    content = json.dumps({"rows": [{"n": number, "text": "x" * 1000} for number in range(2000)]}).encode()
    sha256 = hashlib.sha256(content).hexdigest()
    engine.values[sha256] = content
    await start()
    await engine.hears("hello")

    for number in (7, 1999):
        engine.assign(
            python_version("def main(row, k):\n    return [row['n'], k]"),
            {"row": None, "k": 1},
            step=f"s{number}",
            large_inputs=[{"path": ["row"], "sha256": sha256, "pointer": f"/rows/{number}"}],
        )
    results = await engine.hears("result", 2)

    assert sorted(json.loads(one.output_json) for one in results) == [[7, 1], [1999, 1]]
    assert engine.read == [sha256]


async def test_a_part_that_is_not_there_fails_the_attempt_and_is_named(engine: Engine, start: Start) -> None:
    content = b'{"rows": []}'
    sha256 = hashlib.sha256(content).hexdigest()
    engine.values[sha256] = content
    await start()
    await engine.hears("hello")

    engine.assign(
        python_version("def main(row):\n    return row"),
        {"row": None},
        large_inputs=[{"path": ["row"], "sha256": sha256, "pointer": "/lines"}],
    )
    (result,) = await engine.hears("result")

    assert "the input 'row' is a part (/lines)" in result.error.message


async def test_a_large_output_is_uploaded_and_reported_by_its_artifact(engine: Engine, start: Start) -> None:
    engine.max_output_bytes = 10 * MIB
    await start()
    await engine.hears("hello")

    engine.assign(python_version("def main():\n    return ['x' * 1000] * 1000"))
    (result,) = await engine.hears("result")

    assert (result.WhichOneof("outcome"), result.output_artifact_id) == (
        "output_artifact_id",
        engine.artifact_id,
    )
    assert json.loads(engine.artifacts["output.json"]) == ["x" * 1000] * 1000
