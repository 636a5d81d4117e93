"""Schedules and webhooks as programs meet them: over REST, through the edge, with the body as it was sent."""

import base64
import hmac
import time

import httpx

from tests.support.stack import NO_TLS, Stack
from tests.system.console import Console, Json, fresh

FLOW = """
name: NAME
visibility: PUBLIC
inputs:
  word: {type: string}
steps:
  - id: say
    component: COMPONENT@1
    with: {word: "${{ inputs.word }}"}
outputs:
  said: "${{ steps.say.output }}"
"""
BODY = b'{ "word":\t"h\\u00e9llo" ,"more": [1,2] }'


async def flow(console: Console) -> str:
    component = await console.python("def main(word: str) -> str:\n    return word.upper()\n")
    return str((await console.workflow(FLOW.replace("COMPONENT", component)))["name"])


def signed(secret: str, body: bytes, message_id: str) -> dict[str, str]:
    now = str(int(time.time()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{message_id}.{now}.".encode() + body, "sha256")
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return {"webhook-id": message_id, "webhook-timestamp": now, "webhook-signature": signature}


async def webhook(editor: Console, workflow: str) -> Json:
    trigger = {
        "name": fresh("hook"),
        "workflow": workflow,
        "webhook": {"signature": "STANDARD"},
        "inputs": {"word": "${{ body.word }}"},
    }
    return await editor.call("POST", "/api/v1/triggers", json={"trigger": trigger})


async def test_a_webhook_takes_the_body_as_it_was_sent_from_whoever_signed_it(
    stack: Stack, editor: Console
) -> None:
    made = await webhook(editor, await flow(editor))
    path, secret = made["trigger"]["webhook"]["path"], made["secret"]
    headers = signed(secret, BODY, "msg_1") | {
        "content-type": "application/json",
        "authorization": "Basic eA==",
    }

    async with httpx.AsyncClient(base_url=stack.base_url, trust_env=False, verify=NO_TLS) as sender:
        taken = await sender.post(path, content=BODY, headers=headers)
        again = await sender.post(path, content=BODY, headers=headers)
        changed = await sender.post(path, content=BODY + b" ", headers=headers)
        unknown = await sender.post("/api/v1/webhooks/nothing", content=BODY, headers=headers)
        huge = b'{"word": "' + b"x" * 300_000 + b'"}'
        large = await sender.post(path, content=huge, headers=signed(secret, huge, "msg_2"))
        broken = await sender.post(path, content=b"{", headers=signed(secret, b"{", "msg_3"))

    assert taken.status_code == 200, taken.text
    assert again.json() == taken.json()
    run = await editor.finish(taken.json()["runId"])
    assert (run["outputs"], run["triggeredBy"]) == ({"said": "HÉLLO"}, f"webhook:{made['trigger']['id']}")
    assert (changed.status_code, changed.json()) == (
        401,
        unknown.json() | {"details": changed.json()["details"]},
    )
    assert [one.status_code for one in (unknown, large, broken)] == [401, 413, 400]
    assert "secret" not in await editor.call("GET", f"/api/v1/triggers/{made['trigger']['name']}")


async def test_a_schedule_lives_over_rest_and_in_the_action_log(editor: Console, admin: Console) -> None:
    cron = {"expression": "0 6 * * MON-FRI", "timeZone": "Europe/Berlin"}
    schedule = {"name": fresh("daily"), "workflow": await flow(editor), "cron": cron, "inputs": {"word": "x"}}
    made = (await editor.call("POST", "/api/v1/schedules", json={"schedule": schedule}))["schedule"]
    path = f"/api/v1/schedules/{made['name']}"

    run = (await editor.call("POST", f"{path}:trigger", json={}))["run"]
    paused = (await editor.call("POST", f"{path}:pause", json={}))["schedule"]
    changed = await editor.call("PATCH", path, json={"schedule": {"interval": {"every": "3600s"}}})
    listed = await editor.call("GET", "/api/v1/schedules", params={"filter": f'name = "{made["name"]}"'})
    await editor.call("DELETE", path)

    assert len(made["nextFireTimes"]) == 5
    assert (await editor.finish(run["id"]))["outputs"] == {"said": "X"}
    assert (paused["paused"], paused["nextFireTimes"]) == (True, [])
    assert changed["schedule"]["interval"]["every"] == "3600s"
    assert [one["name"] for one in listed["schedules"]] == [made["name"]]
    logged = await admin.action_logs(f'entity_id = "{made["id"]}"', least=5)
    actions = {one["action"] for one in logged}
    assert actions == {
        "SCHEDULE_CREATED",
        "SCHEDULE_TRIGGERED",
        "SCHEDULE_PAUSED",
        "SCHEDULE_UPDATED",
        "SCHEDULE_DELETED",
    }
