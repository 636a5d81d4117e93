"""Who may not: refused at the door, by every service, and on record."""

from tests.support.stack import Stack
from tests.system.console import Console, fresh

DEFINITIONS = "/api/v1/mcp-definitions"


async def test_no_credential_is_401_and_on_record(admin: Console, anonymous: Console) -> None:
    body = {"definition": {"name": fresh("nobody"), "type": "DATA"}}

    answer = await anonymous.http.post(DEFINITIONS, json=body)

    assert answer.status_code == 401
    assert answer.json()["details"][0]["reason"] == "CREDENTIALS_MISSING"
    entries = await admin.action_logs('outcome = "CREDENTIALS_MISSING"')
    assert any(entry["actor"]["clientAddress"] == "127.0.0.1" for entry in entries)


async def test_a_viewer_creating_is_403_and_on_record(admin: Console, viewer: Console) -> None:
    me = (await viewer.call("GET", "/auth/me"))["principal"]

    answer = await viewer.http.post(DEFINITIONS, json={"definition": {"name": fresh("v"), "type": "DATA"}})

    assert answer.status_code == 403
    assert answer.json()["details"][0]["metadata"]["permission"] == "definitions.create"
    entries = await admin.action_logs(f'outcome = "PERMISSION_MISSING" AND actor_id = "{me["id"]}"')
    entry = entries[0]
    assert (entry["action"], entry["service"]) == ("ACCESS_DENIED", "registry")
    assert entry["method"].endswith("/CreateDefinition")


async def test_a_wrong_key_and_two_different_keys_are_401(stack: Stack, anonymous: Console) -> None:
    for headers in (
        {"authorization": "Bearer mcp_nonsense"},
        {"authorization": "Basic YTpi"},
        {"x-api-key": "nonsense"},
        {"authorization": f"Bearer {stack.admin_key}", "x-api-key": stack.key("worker")},
    ):
        answer = await anonymous.http.get(DEFINITIONS, headers=headers)
        assert answer.status_code == 401, headers

    alias = await anonymous.http.get(DEFINITIONS, headers={"x-api-key": stack.admin_key})
    assert alias.status_code == 200


async def test_an_identity_header_is_worth_nothing(anonymous: Console, viewer: Console, stack: Stack) -> None:
    body = {"definition": {"name": fresh("x"), "type": "DATA"}}
    headers = {"x-mcpanel-on-behalf-of": stack.admin_key, "x-user": "admin", "x-forwarded-user": "admin"}

    assert (await anonymous.http.post(DEFINITIONS, json=body, headers=headers)).status_code == 401
    assert (await viewer.http.post(DEFINITIONS, json=body, headers=headers)).status_code in (401, 403)


async def test_a_worker_key_opens_nothing_but_the_work_stream(stack: Stack) -> None:
    async with stack.http(key=stack.key("worker")) as http:
        for path in (DEFINITIONS, "/api/v1/workflow-runs", "/api/v1/external-db-configs", "/users"):
            assert (await http.get(path)).status_code == 403
