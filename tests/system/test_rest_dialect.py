"""The REST dialect, bullet by bullet (the README's section on REST), at the edge."""

import contextlib
import http.client
import json
import re

import pytest

from tests.support.stack import Stack
from tests.system.console import Console, fresh

DEFINITIONS = "/api/v1/mcp-definitions"


def definition(**fields: object) -> dict[str, object]:
    """A definition nobody has yet."""
    return {"name": fresh("rest"), "type": "PYTHON_SCRIPT", "visibility": "PUBLIC", **fields}


async def test_json_is_lower_camel_case_and_snake_case_is_accepted(admin: Console) -> None:
    made = definition(display_name="Shown", cost_tier="LOW")

    answer = await admin.call("POST", DEFINITIONS, json={"definition": made})

    assert answer["definition"]["displayName"] == "Shown"
    assert answer["definition"]["costTier"] == "LOW"
    assert answer["definition"]["ownerId"]


async def test_a_version_reads_in_the_consoles_words(admin: Console) -> None:
    name = fresh("prompt")
    config = {"model": "m", "systemPrompt": "be brief", "userPromptTemplate": "{{text}}", "maxTokens": 10}
    await admin.call("POST", DEFINITIONS, json={"definition": definition(name=name, type="LLM_PROMPT_AGENT")})

    made = await admin.call(
        "POST",
        f"{DEFINITIONS}/{name}/versions",
        json={"version": {"version": "1.0.0", "llmPromptAgent": config}},
    )
    got = await admin.call("GET", f"/api/v1/mcp-versions/{made['version']['id']}")

    shown = {name: value for name, value in got["version"]["llmPromptAgent"].items() if value != ""}
    assert shown == config
    assert got["version"]["type"] == "LLM_PROMPT_AGENT"


async def test_tokens_read_as_oauth_clients_expect(admin: Console, anonymous: Console) -> None:
    email, password = f"{fresh('u')}@example.com", "a long enough password"
    await admin.call("POST", "/auth/register", json={"email": email, "password": password})

    tokens = await anonymous.call("POST", "/auth/login", json={"email": email, "password": password})

    assert set(tokens) == {"access_token", "token_type", "expires_in", "refresh_token"}
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 600)


async def test_create_get_list_update_delete_have_one_form(admin: Console) -> None:
    made = (await admin.call("POST", DEFINITIONS, json={"definition": definition()}))["definition"]
    path = f"{DEFINITIONS}/{made['id']}"

    changed = await admin.call(
        "PATCH", path, json={"definition": {"description": "new", "tags": ["x"]}, "updateMask": "description"}
    )
    got = await admin.call("GET", path)
    page = await admin.call("GET", DEFINITIONS, params={"pageSize": 1})
    deleted = await admin.call("DELETE", path)

    assert changed["definition"]["description"] == "new"
    assert changed["definition"]["tags"] == []
    assert got == changed
    assert len(page["definitions"]) == 1
    assert page["nextPageToken"]
    assert deleted == {}


async def test_an_update_without_a_mask_changes_every_field_of_the_body(admin: Console) -> None:
    made = (await admin.call("POST", DEFINITIONS, json={"definition": definition(description="old")}))[
        "definition"
    ]

    body = {"definition": {"displayName": "Shown", "tags": ["a"]}}
    changed = (await admin.call("PATCH", f"{DEFINITIONS}/{made['id']}", json=body))["definition"]

    assert (changed["displayName"], changed["tags"], changed["description"]) == ("Shown", ["a"], "old")


async def test_put_updates_a_user(admin: Console) -> None:
    email = f"{fresh('u')}@example.com"
    body = {"email": email, "password": "a long enough password"}
    user = (await admin.call("POST", "/auth/register", json=body))["user"]

    changed = await admin.call("PUT", f"/users/{user['id']}", json={"user": {"fullName": "Ada"}})

    assert changed["user"]["fullName"] == "Ada"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", f"{DEFINITIONS}/no-such-thing", 404, 5),
        ("GET", "/no/such/path", 404, 5),
        ("POST", "/health", 405, 12),
        ("PUT", "/api/v1/workflow-runs", 405, 12),
        ("POST", "/api/v1/workflow-runs/x:explain", 405, 12),
        ("GET", "/api/v1/workflow-runs/x:explian", 400, 3),
        ("GET", f"{DEFINITIONS}?nope=1", 400, 3),
        ("GET", "/api/v1/workflow-runs/not-a-uuid", 400, 3),
        ("GET", "/api/v1/workflow-runs/not-a-uuid/stream", 400, 3),
    ],
)
async def test_every_error_is_code_message_details(
    admin: Console, method: str, path: str, status: int, code: int
) -> None:
    answer = await admin.http.request(method, path)

    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.json()["code"] == code
    assert answer.json()["message"]
    info = next(one for one in answer.json()["details"] if one["@type"].endswith(".ErrorInfo"))
    assert info["reason"]
    assert info["domain"] == "mcpanel"


async def test_an_errors_details_name_the_reason_and_the_field(admin: Console) -> None:
    answer = await admin.http.post(DEFINITIONS, json={"definition": definition(name="Not A Name")})

    details = {detail["@type"].rpartition(".")[2]: detail for detail in answer.json()["details"]}

    assert details["ErrorInfo"]["domain"] == "mcpanel"
    assert details["ErrorInfo"]["reason"] == "INVALID_FIELD"
    assert details["BadRequest"]["fieldViolations"][0]["field"] == "definition.name"


@pytest.mark.parametrize(
    "body",
    ["{", '{"definition": []}', '{"definition": {"name": 1}}', '{"definition": {"type": "NO_SUCH"}}', "\xff"],
)
async def test_a_body_that_is_not_the_message_is_refused(admin: Console, body: str) -> None:
    answer = await admin.http.post(
        DEFINITIONS, content=body.encode("latin-1"), headers={"content-type": "application/json"}
    )

    assert answer.status_code == 400
    assert answer.json()["code"] == 3
    assert answer.json()["message"]


@pytest.mark.parametrize(
    ("path", "size", "limit", "said"),
    [
        (DEFINITIONS, 5_000_000, 4 * 2**20, "4 MiB"),
        (DEFINITIONS, 100_000_000, 4 * 2**20, "4 MiB"),
        ("/api/v1/webhooks/any", 300_000, 256 * 2**10, "256 KiB"),
        ("/api/v1/webhooks/any", 30_000_000, 256 * 2**10, "256 KiB"),
        ("/health", 5_000_000, 4 * 2**20, "4 MiB"),
    ],
)
def test_a_body_that_is_too_large_is_413_even_to_who_reads_only_after_sending(
    stack: Stack, path: str, size: int, limit: int, said: str
) -> None:
    with contextlib.closing(http.client.HTTPConnection(stack.address, timeout=30)) as connection:
        connection.request("POST", path, body=b"x" * size, headers={"content-type": "application/json"})
        answer = connection.getresponse()
        error = json.loads(answer.read())

    assert (answer.status, error["code"]) == (413, 8)
    assert said in error["message"]
    assert "send less" in error["message"]
    (info,) = error["details"]
    assert (info["reason"], info["metadata"]["limit_bytes"]) == ("MESSAGE_TOO_LARGE", str(limit))


async def test_json_that_is_too_large_only_as_a_message_is_413_too(admin: Console) -> None:
    body = {"workflow": "any", "inputs": {"numbers": [1] * 500_000}}

    answer = await admin.http.post("/api/v1/workflow-runs", json=body)

    assert len(answer.request.content) < 4 * 2**20
    assert (answer.status_code, answer.json()["code"]) == (413, 8)
    assert answer.json()["details"][0]["reason"] == "MESSAGE_TOO_LARGE"


async def test_documents_are_read_strictly_where_messages_are_not(admin: Console) -> None:
    body = {"workflow": {"name": fresh("wf"), "steps": [], "stepz": []}}
    ignored = await admin.http.post("/api/v1/workflows:validate", json=body)

    source = "name: typo\nsteps:\n  - id: a\n    komponent: x\n"
    found = await admin.call("POST", "/api/v1/workflows:validate", json={"source": source})

    assert ignored.status_code == 200
    problem = next(
        problem for problem in found["problems"] if "komponent" in problem["message"] + problem["field"]
    )
    assert (problem["line"], problem["column"]) == (4, 5)
    assert "component" in problem["fix"]


@pytest.mark.parametrize("field", ["description", "displayName"])
async def test_nul_is_refused_in_any_string(admin: Console, field: str) -> None:
    answer = await admin.http.post(DEFINITIONS, json={"definition": definition(**{field: "a\0b"})})

    assert answer.status_code == 400
    assert "NUL_CHARACTER" in answer.text


async def test_display_names_are_accepted_where_types_are_filtered(admin: Console) -> None:
    name = fresh("typed")
    await admin.call("POST", DEFINITIONS, json={"definition": definition(name=name, type="JUPYTER_NOTEBOOK")})

    for word in ("Jupyter Notebook", "JUPYTER_NOTEBOOK"):
        page = await admin.call("GET", DEFINITIONS, params={"type": word, "query": name})
        assert [found["name"] for found in page["definitions"]] == [name]

    refused = await admin.http.get(DEFINITIONS, params={"type": "Jupiter Notebook"})
    assert refused.status_code == 400


async def test_counters_are_numbers(admin: Console) -> None:
    code = await admin.python("def main(): return 1")
    workflow = await admin.workflow(f"name: NAME\nsteps:\n  - {{id: a, component: {code}}}\n")
    run = await admin.start(workflow["name"])
    await admin.finish(run)

    events = await admin.events(run)

    assert workflow["version"] == 1
    assert all(isinstance(event["seq"], int) for event in events)


async def test_a_stream_over_rest_is_lines_and_ends_explicitly(admin: Console) -> None:
    code = await admin.python("def main(): print('hi')")
    workflow = await admin.workflow(f"name: NAME\nsteps:\n  - {{id: a, component: {code}}}\n")
    run = await admin.start(workflow["name"])

    answer = await admin.http.get(f"/api/v1/workflow-runs/{run}:watch")
    lines = [json.loads(line) for line in answer.text.splitlines() if line]

    assert "end" in lines[-1]["event"]
    assert any("live" in line for line in lines) or len(lines) > 3


async def test_a_path_with_a_verb_and_one_without_live_side_by_side(admin: Console) -> None:
    name = await admin.python("def main(): pass")
    version = (await admin.call("GET", f"{DEFINITIONS}/{name}/versions"))["versions"][0]["id"]

    got = await admin.call("GET", f"/api/v1/mcp-versions/{version}")
    verb = await admin.call("POST", f"/api/v1/mcp-versions/{version}:deprecate", json={"message": "old"})

    assert got["version"]["id"] == verb["version"]["id"] == version


@pytest.mark.parametrize(
    ("method", "path", "field"),
    [
        ("GET", "/users/{me}?user_id={other}", "user_id"),
        ("DELETE", "/users/{other}?userId={other}", "user_id"),
        ("POST", "/auth/login?email=a@example.com&password=in-the-address", "email"),
        (
            "POST",
            "/api/v1/external-db-configs?data_source.secret_value=in-the-address",
            "data_source.secret_value",
        ),
    ],
)
async def test_a_field_stands_in_one_place_of_a_request(
    admin: Console, method: str, path: str, field: str
) -> None:
    ids = {"me": "me", "other": "0190a000-0000-7000-8000-000000000009"}

    answer = await admin.http.request(method, path.format(**ids), json={} if method == "POST" else None)

    violations = next(one for one in answer.json()["details"] if one["@type"].endswith("BadRequest"))
    assert (answer.status_code, violations["fieldViolations"][0]["field"]) == (400, field)


async def test_nothing_of_an_answer_is_kept_by_browsers(admin: Console) -> None:
    for path in ("/auth/me", "/users", "/api/v1/api-keys"):
        assert (await admin.http.get(path)).headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "claimed", [{}, {"x-forwarded-for": "10.0.0.9", "x-envoy-external-address": "10.0.0.9"}]
)
async def test_the_audit_has_the_clients_own_address(admin: Console, claimed: dict[str, str]) -> None:
    name = fresh("addressed")
    made = await admin.call("POST", DEFINITIONS, json={"definition": definition(name=name)}, headers=claimed)

    entry = (await admin.action_logs(f'entity_id = "{made["definition"]["id"]}"'))[0]

    assert entry["actor"]["clientAddress"] == "127.0.0.1"


@pytest.mark.parametrize("name", ["Upper", "1st", "under_score", "-a", "a" * 64, "ünicode", "a b"])
async def test_names_have_one_form(admin: Console, name: str) -> None:
    answer = await admin.http.post(DEFINITIONS, json={"definition": definition(name=name)})

    assert answer.status_code == 400


async def test_internal_methods_have_no_way_in(stack: Stack, admin: Console) -> None:
    for path in (
        "/mcpanel.audit.v1.AuditService/AppendRecords",
        "/mcpanel.identity.v1.IdentityService/Authenticate",
    ):
        answer = await admin.http.post(path, content=b"", headers={"content-type": "application/grpc"})
        assert answer.headers.get("grpc-status") == "7" or answer.status_code == 403


async def test_answers_carry_the_security_headers(anonymous: Console) -> None:
    for path in ("/health", "/docs", DEFINITIONS):
        headers = (await anonymous.http.get(path)).headers

        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert re.fullmatch("mcpanel", headers["server"])
