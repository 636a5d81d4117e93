"""Something of everything, so that requests by chance meet what is there."""

from tests.support.stack import Stack
from tests.system.console import Console, fresh

_FLOW = """
name: NAME
visibility: PUBLIC
inputs:
  word: {type: string, default: hello}
steps:
  - {id: say, component: COMPONENT@1, with: {word: "${{ inputs.word }}"}}
  - {id: each, component: COMPONENT@1, for_each: "${{ ['a', 'b'] }}", with: {word: "${{ item }}"}}
  - {id: ask, needs: [say], approval: {message: go on?}}
outputs: {said: "${{ steps.say.output }}"}
"""


async def prepare(stack: Stack) -> None:
    """A component, a workflow, runs, a schedule, a trigger, a data source to write to, a secret, a user and a key."""
    async with stack.http() as http:
        admin = Console(http)
        component = await admin.python("def main(word: str) -> str:\n    return word.upper()\n")
        flow = (await admin.workflow(_FLOW.replace("COMPONENT", component)))["name"]
        runs = [await admin.start(flow) for _ in range(3)]
        await admin.call("POST", f"/api/v1/workflow-runs/{runs[0]}:cancel", json={})
        schedule = {"name": fresh("nightly"), "workflow": flow, "cron": {"expression": "0 3 * * *"}}
        await admin.call("POST", "/api/v1/schedules", json={"schedule": schedule})
        trigger = {"name": fresh("hook"), "workflow": flow, "webhook": {"signature": "STANDARD"}}
        await admin.call("POST", "/api/v1/triggers", json={"trigger": trigger})
        source = {
            "name": fresh("source"),
            "type": "POSTGRESQL",
            "host": "127.0.0.1",
            "port": stack.ports.postgres,
            "database": "registry",
            "username": "registry",
            "secretValue": stack.postgres.password("registry"),
            "allowWrites": True,
        }
        with stack.superuser("registry") as database:
            database.execute("CREATE TABLE fuzzed (id bigint, name text)")
            database.execute("ALTER TABLE fuzzed OWNER TO registry")
        await admin.call("POST", "/api/v1/external-db-configs", json={"dataSource": source})
        secret = {"name": fresh("secret"), "secretValue": "correct horse battery staple"}
        await admin.call("POST", "/api/v1/secrets", json={"secret": secret})
        person = {"email": f"{fresh('fuzz')}@example.com", "password": "a long enough password"}
        await admin.call("POST", "/auth/register", json=person | {"roleName": "Editor"})
        await admin.call("POST", "/api/v1/api-keys", json={"name": fresh("key"), "roleName": "Viewer"})
