"""Canary secrets: planted in every place that takes one, then looked for everywhere else."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from stack.postgres import SERVICES
from tests.support.stack import Stack
from tests.system.console import Console, Json, fresh

CANARY = "canary-7f3e9a51c2d84b06"


def forms(secret: str) -> set[str]:
    """The secret as text, base64 and hex."""
    raw = secret.encode()
    return {secret, base64.b64encode(raw).decode().rstrip("="), raw.hex()}


def tables(stack: Stack) -> Iterator[tuple[str, str]]:
    """Every table of every service with all its rows as text: outboxes, idempotency answers and run events too."""
    for service in SERVICES:
        with stack.superuser(service) as connection:
            names = connection.execute(
                "select format('%I.%I', schemaname, tablename) from pg_tables "
                "where schemaname not in ('pg_catalog', 'information_schema')"
            ).fetchall()
            for (name,) in names:
                rows = connection.execute(
                    f"select coalesce(string_agg(t::text, E'\\n'), '') from {name} t"
                ).fetchone()
                yield f"{service}.{name}", rows[0] if rows else ""


def processes(stack: Stack) -> Iterator[tuple[str, str]]:
    """The arguments and the environment of every process of the stack."""
    assert stack.process is not None
    root = psutil.Process(stack.process.pid)
    for process in [root, *root.children(recursive=True)]:
        try:
            yield f"argv of {process.pid}", " ".join(process.cmdline())
            yield f"environ of {process.pid}", str(process.environ())
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue


def files(stack: Stack) -> Iterator[tuple[str, str]]:
    """Every log, PostgreSQL's among them."""
    for path in Path(stack.home.logs).rglob("*"):
        if path.is_file():
            yield str(path.name), path.read_text(errors="replace")


async def test_secrets_stay_where_they_were_put(stack: Stack, admin: Console, anonymous: Console) -> None:
    password, data_source_secret = f"{CANARY}-password", f"{CANARY}-datasource"
    email = f"{fresh('canary')}@example.com"
    answers: list[str] = []

    async def call(who: Console, method: str, path: str, **arguments: Any) -> Json:
        answer = await who.http.request(method, path, **arguments)
        answers.append(answer.text)
        found: Json = answer.json()
        return found

    registration = {"email": email, "password": password, "requestId": fresh("canary-request")}
    await call(admin, "POST", "/auth/register", json=registration)
    await call(admin, "POST", "/auth/register", json=registration)
    await call(anonymous, "POST", "/auth/login", json={"email": email, "password": f"{password}-wrong"})
    tokens = (await anonymous.http.post("/auth/login", json={"email": email, "password": password})).json()
    created = (
        await admin.http.post("/api/v1/api-keys", json={"name": "canary", "requestId": fresh("canary-key")})
    ).json()
    source = {
        "name": fresh("canary-ds"),
        "type": "POSTGRESQL",
        "host": "127.0.0.1",
        "port": 9,
        "database": "d",
        "username": "u",
        "secretValue": data_source_secret,
    }
    body = {"dataSource": source, "requestId": fresh("canary-source")}
    made = await call(admin, "POST", "/api/v1/external-db-configs", json=body)
    await call(admin, "POST", "/api/v1/external-db-configs", json=body)
    data_source = made["dataSource"]
    await call(admin, "POST", f"/api/v1/external-db-configs/{data_source['id']}:test", json={})
    await call(
        admin, "POST", f"/api/v1/external-db-configs/{data_source['id']}:query", json={"sql": "select 1"}
    )
    await call(admin, "POST", "/api/v1/external-db-configs", json={"dataSource": source | {"port": -1}})
    headers = {"authorization": f"Bearer {created['secret']}x"}
    answers.append((await anonymous.http.get("/users", headers=headers)).text)

    printing = await admin.python(
        "import os\ndef main():\n    print(dict(os.environ))\n    print(open('/proc/self/environ').read())\n"
        "    print(open('/proc/1/environ').read())\n"
    )
    workflow = await admin.workflow(f"name: NAME\nsteps:\n  - {{id: a, component: {printing}}}\n")
    run = await admin.start(workflow["name"])
    await admin.finish(run)
    answers.append((await admin.http.get(f"/api/v1/workflow-runs/{run}/events?pageSize=1000")).text)
    await admin.action_logs(f'entity_id = "{data_source["id"]}"')

    secrets = {
        "password": password,
        "data source secret": data_source_secret,
        "api key": created["secret"],
        "refresh token": tokens["refresh_token"],
        "access token": tokens["access_token"],
        "admin key": stack.admin_key,
        "worker key": stack.key("worker"),
        "service key": stack.key("engine"),
        "database password": stack.database_url("registry").split(":")[2].partition("@")[0],
        "NATS password": stack.nats_url.split(":")[2].partition("@")[0],
    }
    places = [
        *tables(stack),
        *processes(stack),
        *files(stack),
        *((f"answer {n}", a) for n, a in enumerate(answers)),
    ]
    found = {
        (what, place)
        for what, secret in secrets.items()
        for form in forms(secret)
        for place, text in places
        if form in text
    }

    assert len(places) > 40
    assert found == set()
