"""Secrets planted in every field and header that takes one, then looked for everywhere else."""

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import nats
import psutil
import pytest
from google.protobuf import json_format
from google.protobuf.message import Message

from chassis.authentication.credentials import COOKIE
from stack.postgres import SERVICES
from tests.contracts.walk import Rpc, rpcs, variables
from tests.support.canaries import Canaries
from tests.support.plantings import PLANTINGS, Planting, message_of, secret_fields, take_secrets
from tests.support.stack import NO_TLS, Stack
from tests.system.console import Console, Json, fresh

HEADERS = {
    "authorization": "Bearer $",
    "x-api-key": "$",
    "cookie": "__Host-mcpanel=$",
    "x-mcpanel-on-behalf-of": "$",
    "webhook-signature": "v1,$",
}
PATHS = ("/auth/me", "/api/v1/workflow-runs/RUN/stream", "/docs", "/nowhere")
_PRINTS = """
import os
def main():
    print(dict(os.environ))
    print(open('/proc/self/environ').read())
    print(open('/proc/1/environ').read())
"""
_TELLS = """
import base64, urllib.parse
import mcpanel_step as step
def main():
    key = step.secret("NAME")
    print(key, base64.b64encode(b"user:" + key.encode()).decode(), key.encode().hex())
    step.log.warning(urllib.parse.quote_plus(key), key=key)
    step.progress(0.5, key)
    step.preview({key: [key]})
    raise ValueError(key)
"""


class Asker:
    """Asks in every way there is, and keeps what was answered; secrets in answers that have to hold them are taken
    out of them, and looked for.
    """

    def __init__(self, stack: Stack, http: httpx.AsyncClient, canaries: Canaries) -> None:
        self.stack = stack
        self.http = http
        self.canaries = canaries
        self.answers: list[tuple[str, str]] = []
        self.taken = ""
        """The secret that was last taken out of an answer."""

    async def rest(self, verb: str, path: str, account: str = "admin", **arguments: Any) -> Json:
        """The JSON answer; empty when it is none."""
        headers = arguments.pop("headers", {}) | self._credential(account)
        answer = await self.http.request(verb, path, headers=headers, **arguments)
        self.answers.append((f"the answer of {verb} {path}", f"{answer.text}\n{answer.headers}"))
        try:
            found = answer.json()
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    async def call(self, rpc: Rpc, body: Json, account: str = "admin") -> Message:
        """The answer of an RPC over REST, where it has a path, without its secrets; empty when it was refused."""
        answer: Message = message_of(rpc.method.output_type)()
        if not rpc.routes:
            return await self.grpc(
                rpc, json_format.ParseDict(body, message_of(rpc.method.input_type)()), account
            )
        verb, path, body = _mapped(rpc, body)
        found = await self.http.request(verb, path, json=body, headers=self._credential(account))
        text = found.text
        if found.status_code == 200:
            json_format.Parse(text, answer, ignore_unknown_fields=True)
            text = self._kept(rpc, answer)
        self.answers.append((f"the answer of {rpc.name}", f"{text}\n{found.headers}"))
        return answer

    async def grpc(self, rpc: Rpc, request: Message, account: str) -> Message:
        """The same over gRPC, at the service itself."""
        service = rpc.full_name.split(".")[1]
        port = self.stack.ports.port({"engine": "engine"}.get(service, service))
        answer: Message = message_of(rpc.method.output_type)()
        path = "/{}/{}".format(*rpc.full_name.rsplit(".", 1))
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = channel.unary_unary(path, request_serializer=bytes, response_deserializer=bytes)
            try:
                content = request.SerializeToString()
                answer.ParseFromString(
                    await call(content, metadata=tuple(self._credential(account).items()), timeout=20)
                )
                text = self._kept(rpc, answer)
            except grpc.aio.AioRpcError as error:
                text = f"{error.details()} {error.trailing_metadata()}"
        self.answers.append((f"the answer of {rpc.name} over gRPC", text))
        return answer

    def _kept(self, rpc: Rpc, answer: Message) -> str:
        for number, secret in enumerate(take_secrets(answer)):
            self.taken = secret
            self.canaries.watch(f"secret {number} of {rpc.name}, answer {len(self.answers)}", secret)
        return str(json_format.MessageToDict(answer))

    def _credential(self, account: str) -> dict[str, str]:
        return {"authorization": f"Bearer {self.stack.key(account)}"} if account else {}


def _mapped(rpc: Rpc, body: Json) -> tuple[str, str, Json]:
    """Verb, path and body of a request over REST."""
    verb, path, _ = rpc.routes[0]
    rest = dict(body)
    for variable in variables(path):
        name = message_of(rpc.method.input_type).DESCRIPTOR.fields_by_name[variable].json_name
        path = path.replace(f"{{{variable}}}", str(rest.pop(name)))
    return verb.upper(), path, rest


async def _plant(ask: Asker, planting: Planting, names: dict[str, str]) -> None:
    """The request as it should be, twice; from nobody; and broken, so that parsers complain of what is in it."""
    names = names | {"fresh": fresh("canary"), "secret": ask.canaries.plant()}
    rpc, body = planting.method, planting.body(**names)
    for account in (planting.account, planting.account, ""):
        await ask.call(rpc, body, account)
    if not rpc.routes:
        return
    verb, path, rest = _mapped(rpc, body)
    text = json.dumps(rest)
    at = text.index(names["secret"])
    for broken in (
        text[: at + 30],
        text[:-1],
        text.replace(f'"{names["secret"]}"', f'["{names["secret"]}"]'),
        text.replace(f'"{names["secret"]}"', f"{names['secret']}"),
        text[:-1] + f', "{names["secret"]}": 1}}',
        text[:-1] + ', "page_size": {}}',
    ):
        await ask.rest(verb, path, content=broken, headers={"content-type": "application/json"})


async def _plant_alone(ask: Asker, name: str) -> None:
    """Nothing but the secret, over gRPC, as several callers: what validation and authentication say about it."""
    for rpc in rpcs():
        kind = message_of(rpc.method.input_type)
        field = kind.DESCRIPTOR.fields_by_name.get(name.rpartition(".")[2])
        if field is None or field.full_name != f"mcpanel.{name}":
            continue
        for account in ("admin", "engine", ""):
            await ask.grpc(rpc, kind(**{field.name: ask.canaries.plant()}), account)
            await ask.grpc(rpc, kind(**{field.name: ask.canaries.plant() * 200}), account)


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
    """Every file of the stack but PostgreSQL's own and those that are there to hold a secret: logs, NATS' store."""
    for path in Path(stack.home.path).rglob("*"):
        inside = path.relative_to(stack.home.path)
        if (
            path.is_file()
            and inside.parts[0] not in ("postgres", "keys", "settings")
            and path.name != "nats.conf"
        ):
            yield str(inside), path.read_text(errors="replace")


async def metrics(stack: Stack) -> list[tuple[str, str]]:
    """The page of metrics of every process."""
    async with httpx.AsyncClient(trust_env=False, verify=NO_TLS) as http:
        ports = {name: port for name, port in stack.ports.items() if name.endswith("_metrics")}
        return [
            (f"{name} of {port}", (await http.get(f"http://127.0.0.1:{port}/metrics")).text)
            for name, port in ports.items()
        ]


@pytest.fixture
def canaries(stack: Stack) -> Canaries:
    """What is looked for: the suite's own secrets from the start."""
    found = Canaries()
    for account in ("admin", "worker", "engine"):
        found.watch(f"{account}'s key", stack.key(account))
    found.watch("database password", stack.database_url("registry").split(":")[2].partition("@")[0])
    found.watch("NATS password", stack.nats_url.split(":")[2].partition("@")[0])
    return found


async def test_secrets_stay_where_they_were_put(stack: Stack, admin: Console, canaries: Canaries) -> None:
    published: list[tuple[str, str]] = []

    async def hear(message: Any) -> None:
        published.append((f"NATS {message.subject}", f"{message.data!r} {message.headers}"))

    listener = await nats.connect(stack.nats_url)
    await listener.subscribe(">", cb=hear)
    async with stack.http(key="") as http:
        ask = Asker(stack, http, canaries)
        names = await _prepare(ask)
        run = await _run(admin, names["named_secret"])

        for planting in (one for several in PLANTINGS.values() for one in several):
            await _plant(ask, planting, names)
        for name in sorted(secret_fields()):
            await _plant_alone(ask, name)
        for path in (path.replace("RUN", run) for path in PATHS):
            await ask.rest(
                "GET", path, "", params={"ticket": canaries.plant(), "access_token": canaries.plant()}
            )
            for header, value in HEADERS.items():
                await ask.rest("GET", path, "", headers={header: value.replace("$", canaries.plant())})
        await _read(ask, run)
    await asyncio.sleep(1.5)  # what is written with a delay: records of refusals, batches of logs
    await listener.close()
    places = [
        *ask.answers,
        *published,
        *tables(stack),
        *processes(stack),
        *files(stack),
        *await metrics(stack),
    ]

    assert len(places) > 300
    assert published
    found = sorted(canaries.found(places))
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "encode",
    [
        str,
        str.upper,
        lambda text: text[::-1],
        lambda text: text[len(text) // 2 - 2 :],
        lambda text: text[: len(text) // 2 + 2],
        lambda text: text.encode().hex(),
        lambda text: base64.b64encode(f"{text}".encode()).decode(),
        lambda text: base64.b64encode(f"user:{text}".encode()).decode(),
        lambda text: base64.urlsafe_b64encode(f"a=1&token={text}!".encode()).decode(),
        lambda text: base64.b64encode(base64.b64encode(text.encode())).decode(),
        lambda text: str(list(text.encode())),
    ],
)
def test_the_search_finds_a_secret_in_every_encoding(encode: Callable[[str], str]) -> None:
    canaries = Canaries()
    secret = canaries.plant()
    canaries.watch("a password", "correct-horse-battery-staple")

    assert canaries.found([("here", f"before {encode(secret)} behind")])
    assert canaries.found([("here", "as in c3RhcGxl: correct-horse-battery-staple")])
    assert not canaries.found([("here", "before and behind, 0123456789abcdef")])


async def _prepare(ask: Asker) -> dict[str, str]:
    """Somebody with a password, who has logged in; a data source; a trigger; a key: each with secrets of its own."""
    by_name = {rpc.name: rpc for rpc in rpcs()}
    who = {"email": f"{fresh('canary')}@example.com", "password": ask.canaries.plant()}
    made: Any = await ask.call(by_name["IdentityService.RegisterUser"], who)
    tokens = await ask.http.post("/auth/login", json=who)
    refreshed = await ask.http.post("/auth/refresh", json={"refresh_token": tokens.json()["refresh_token"]})
    for answer in (tokens.json(), refreshed.json()):
        ask.canaries.watch(f"access token {len(answer)}", answer["access_token"])
        ask.canaries.watch(f"refresh token {len(answer)}", answer["refresh_token"])
    await ask.rest(
        "GET", "/auth/me", "", headers={"authorization": f"Bearer {refreshed.json()['access_token']}"}
    )
    await _browse(ask, who)
    key = {"name": fresh("canary"), "requestId": fresh("canary")}
    for _ in range(2):  # the repeat is answered from what was kept
        await ask.call(by_name["IdentityService.CreateApiKey"], key)
    source = PLANTINGS["datasources.v1.DataSource.secret_value"][0].body(
        fresh=fresh("canary"), secret=ask.canaries.plant()
    )
    stored: Any = await ask.call(by_name["DataSourceService.CreateDataSource"], source)
    for verb in (":test", ":scan"):
        await ask.rest("POST", f"/api/v1/external-db-configs/{stored.data_source.id}{verb}", json={})
    await ask.rest(
        "POST", f"/api/v1/external-db-configs/{stored.data_source.id}:query", json={"sql": "select 1"}
    )
    secret = {"secret": {"name": fresh("canary"), "secretValue": ask.canaries.plant()}}
    named: Any = await ask.call(by_name["SecretService.CreateSecret"], secret)
    guest = {"email": f"{fresh('canary')}@example.com"}
    invited: Any = await ask.call(by_name["IdentityService.InviteUser"], guest)
    invitation = ask.taken
    other: Any = await ask.call(
        by_name["IdentityService.RegisterUser"], who | {"email": f"{fresh('canary')}@example.com"}
    )
    reset: Any = await ask.call(by_name["IdentityService.ResetPassword"], {"userId": other.user.id})
    assert invited.user.id
    assert reset.HasField("expires_at")
    return {
        "email": who["email"],
        "user_id": made.user.id,
        "refresh_token": "",
        "data_source": stored.data_source.id,
        "named_secret": named.secret.id,
        "invitation": invitation,
        "ticket": ask.taken,
    }


async def _browse(ask: Asker, who: Json) -> None:
    """A browser that logs in, in vain and well, opens a stream with a ticket, and comes back from a provider."""
    secret = ask.canaries.plant
    await ask.rest("POST", "/auth/session", "", json=who | {"password": secret()})
    await ask.rest("POST", "/auth/session", "", json=[who | {"password": secret()}])
    await ask.rest("POST", "/auth/session", "", json=who, headers={"sec-fetch-site": "cross-site"})
    session = (await ask.http.post("/auth/session", json=who)).cookies[COOKIE]
    ask.http.cookies.clear()
    ask.canaries.watch("cookie", session)
    await ask.rest("GET", "/auth/session", "", headers={"cookie": f"{COOKIE}={session}"})
    await ask.call(next(rpc for rpc in rpcs() if rpc.name == "IdentityService.CreateStreamTicket"), {})
    async with ask.http.stream("GET", f"/api/v1/workflow-runs/stream?ticket={ask.taken}") as stream:
        assert stream.status_code == 200
    await ask.rest("GET", f"/api/v1/workflow-runs/stream?ticket={ask.taken}", "")
    answered = {"code": secret(), "state": secret(), "error_description": secret()}
    await ask.rest("GET", "/auth/oidc/nobody/callback", "", params=answered)


async def _run(admin: Console, secret_id: str) -> str:
    """A run one of whose steps prints all that it can see of the worker's surroundings, and one says a secret."""
    name = (await admin.call("GET", f"/api/v1/secrets/{secret_id}"))["secret"]["name"]
    printing, telling = (
        await admin.python(_PRINTS),
        await admin.python(_TELLS.replace("NAME", name), secretIds=[secret_id]),
    )
    workflow = await admin.workflow(
        f"name: NAME\nsteps:\n  - {{id: tell, component: {telling}, on_failure: continue}}\n"
        f"  - {{id: print, component: {printing}, on_failure: continue}}\n"
    )
    run = await admin.start(workflow["name"])
    await admin.finish(run)
    assert "ValueError: ***" in (await admin.steps(run))["tell"]["error"]["message"]
    return run


async def _read(ask: Asker, run: str) -> None:
    """What can be read of the run and of all that was done."""
    await ask.rest("POST", "/api/v1/triggers", json={})
    for part in ("", "/events?pageSize=1000", "/steps?view=FULL", "/logs", "/timeline", "/stream"):
        await ask.rest("GET", f"/api/v1/workflow-runs/{run}{part}")
    for path in (
        "/users",
        "/api/v1/api-keys",
        "/api/v1/external-db-configs",
        "/api/v1/secrets",
        "/api/v1/action-logs?pageSize=1000",
    ):
        await ask.rest("GET", path)
    await ask.rest("GET", "/api/v1/action-logs:export")
