"""Secrets that steps ask for, from storing one to a run of somebody who may not see it, through the door."""

import hashlib
import hmac

from stack.edge import Json
from tests.system.console import Console, fresh

SIGNS = """
import hashlib, hmac
import mcpanel_step as step
def main(text: str) -> str:
    key = step.secret("NAME")
    print("signing with", key)
    step.preview({"key": key})
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()
"""
VALUE = "a-key-that-nobody-sees-again"


async def stored(somebody: Console) -> Json:
    """A private secret."""
    body = {"secret": {"name": fresh("key"), "secretValue": VALUE}}
    made: Json = (await somebody.call("POST", "/api/v1/secrets", json=body))["secret"]
    return made


async def signing(somebody: Console, secret: Json) -> str:
    """The name of a public workflow whose private component signs with the secret."""
    code = SIGNS.replace("NAME", secret["name"])
    component = await somebody.python(code, secretIds=[secret["name"]])
    step = f'{{id: sign, component: {component}, with: {{text: "${{{{ inputs.text }}}}"}}}}'
    source = f"""
        name: NAME
        visibility: PUBLIC
        inputs: {{text: {{type: string, default: ""}}}}
        steps: [{step}]
        outputs: {{signature: "${{{{ steps.sign.output }}}}"}}
        """
    return str((await somebody.workflow(source))["name"])


async def test_whoever_runs_a_workflow_signs_with_its_owners_secret_and_never_sees_it(
    editor: Console, other_editor: Console
) -> None:
    secret = await stored(editor)
    workflow = await signing(editor, secret)

    run = await other_editor.start(workflow, text="pay")
    ended = await other_editor.finish(run)
    hidden = await other_editor.http.get(f"/api/v1/secrets/{secret['id']}")
    lines = await other_editor.call("GET", f"/api/v1/workflow-runs/{run}/logs")

    expected = hmac.new(VALUE.encode(), b"pay", hashlib.sha256).hexdigest()
    assert ended["outputs"] == {"signature": expected}, ended
    assert hidden.status_code == 404
    assert [one["message"] for one in lines["lines"]] == ["signing with ***"]
    assert VALUE not in str(await other_editor.events(run))


async def test_a_telling_is_on_record_with_the_run_it_was_for(admin: Console, editor: Console) -> None:
    secret = await stored(editor)
    run = await editor.start(await signing(editor, secret))
    await editor.finish(run)

    (entry,) = await admin.action_logs(f'action = "SECRET_REVEALED" AND entity_id = "{secret["id"]}"')

    assert entry["details"]["run_id"] == run
    assert entry["details"]["name"] == secret["name"]
    assert VALUE not in str(entry)


async def test_a_new_value_is_told_to_the_next_run(editor: Console) -> None:
    secret = await stored(editor)
    workflow = await signing(editor, secret)

    changed = {"secret": {"secretValue": "another key altogether"}}
    await editor.call("PATCH", f"/api/v1/secrets/{secret['name']}", json=changed)
    ended = await editor.finish(await editor.start(workflow, text="pay"))

    expected = hmac.new(b"another key altogether", b"pay", hashlib.sha256).hexdigest()
    assert ended["outputs"] == {"signature": expected}


async def test_a_step_whose_secret_was_deleted_fails_naming_it(admin: Console, editor: Console) -> None:
    secret = await stored(editor)
    workflow = await signing(editor, secret)
    await admin.call("DELETE", f"/api/v1/secrets/{secret['id']}")

    ended = await editor.finish(await editor.start(workflow))

    assert ended["status"] == "FAILED"
    assert f"the secret '{secret['name']}', which the component" in ended["error"]["message"]


async def test_what_was_lent_and_taken_back_is_linked_and_run_no_more(
    editor: Console, other_editor: Console
) -> None:
    secret = await stored(other_editor)
    unseen = {"version": {"version": "1.0.1", "data": {}, "secretIds": [secret["id"]]}}
    body = {"definition": {"name": fresh("data"), "type": "DATA"}}
    made = (await editor.call("POST", "/api/v1/mcp-definitions", json=body))["definition"]
    versions = f"/api/v1/mcp-definitions/{made['id']}/versions"
    before = await editor.http.post(versions, json=unseen)
    me = (await editor.call("GET", "/auth/me"))["user"]["id"]
    given = {"share": {"userId": me, "permission": "VIEW"}}
    shares = f"/api/v1/secrets/{secret['id']}/shares"
    share = (await other_editor.call("POST", shares, json=given))["share"]["id"]

    workflow = await signing(editor, secret)
    await other_editor.call("DELETE", f"{shares}/{share}")
    refused = await editor.http.post("/api/v1/workflow-runs", json={"workflow": workflow})

    assert before.status_code == 404
    assert "SECRET_NOT_FOUND" in before.text
    assert "PARTS_NOT_SHARED" in refused.text
    assert f"secret '{secret['name']}' is private and not shared with '{me}'" in refused.json()["message"]
