"""Who may do what to what: every RPC × every role × what a thing is to the caller, at the services themselves.

What has to come out stands in access.yaml, which knows nothing of the contracts' rules.
"""

import asyncio
import copy
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio
import pytest
import yaml
from google.protobuf import json_format

from chassis import contracts
from chassis.errors import ServiceError
from chassis.statuses import from_rpc_error
from tests.support.channels import plain
from tests.support.stack import Stack
from tests.system.console import fresh
from tests.system.test_matrix import ALL, PORTS

ORACLE: Final = yaml.safe_load(Path(__file__).with_name("access.yaml").read_text())
METHODS: Final[dict[str, dict[str, Any]]] = ORACLE["methods"]
PATHS: Final = {path.rpartition(".")[2].replace("/", "."): path for path in ALL}
RANKS: Final = {"anyone": 0, "known": 0, "Viewer": 1, "Editor": 2, "Admin": 3, "service": 9}
MISSING: Final = "0190a000-0000-7000-8000-000000000009"
REFUSED: Final = frozenset({"PERMISSION_MISSING", "NOT_GRANTED", "NOT_THE_OWNER", "INTERNAL_ONLY"})
SHARES: Final = {"shared-view": "VIEW", "shared-edit": "EDIT", "shared-delete": "DELETE"}
PASSWORD: Final = "a long enough password"
BIG: Final = "def main() -> str:\n    return 'x' * 300_000\n"
"""A step whose output is an artifact."""

Things = dict[str, str]
"""What somebody made for one relation: ids by kind."""


@dataclass
class Client:
    """Calls the services with somebody's credential."""

    channels: Mapping[str, grpc.aio.Channel]
    token: str
    id: str = ""
    email: str = ""

    async def call(self, method: str, fields: Mapping[str, Any]) -> Any:
        """The answer; the first message of a stream, and of WatchRuns all until it is live. Raises ServiceError."""
        path = PATHS[method]
        descriptor, _ = ALL[path]
        request = _class(descriptor.input_type)()
        json_format.ParseDict(dict(fields), request)
        channel = self.channels[method.partition(".")[0]]
        how = (type(request).SerializeToString, _class(descriptor.output_type).FromString)
        metadata = (("authorization", f"Bearer {self.token}"),) if self.token else ()
        try:
            if descriptor.client_streaming:
                kind = channel.stream_stream if descriptor.server_streaming else channel.stream_unary
                answer: Any = kind(f"/{path}", *how)(iter([request]), metadata=metadata, timeout=30)
            elif descriptor.server_streaming:
                answer = channel.unary_stream(f"/{path}", *how)(request, metadata=metadata, timeout=30)
            else:
                return await channel.unary_unary(f"/{path}", *how)(request, metadata=metadata, timeout=30)
            if not descriptor.server_streaming:
                return await answer
            found = []
            async for message in answer:
                found.append(message)
                if method != "EngineService.WatchRuns" or message.HasField("live"):
                    break
            answer.cancel()
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, "the service") from None
        return found

    async def made(self, method: str, kind: str, fields: Mapping[str, Any]) -> str:
        """The id of what a call creates, which the answer holds in the field `kind`."""
        answer = await self.call(method, fields)
        return str(getattr(answer, kind).id)


def _class(name: str) -> Any:
    return contracts.message_class(name.removeprefix("."))


@dataclass
class World:
    """Things that belong to people, and people."""

    callers: dict[str, Client]
    """By role."""
    owner: Client
    things: dict[str, dict[str, Things]] = field(default_factory=dict)
    """By the caller's role and what they are to the caller."""

    def known(self, kind: str) -> dict[str, dict[str, str]]:
        """The things of a kind, by role and relation."""
        return {
            role: {relation: things[kind] for relation, things in by.items() if kind in things}
            for role, by in self.things.items()
        }

    @property
    def runs(self) -> str:
        """A filter for the runs there are."""
        names = {
            things[kind]
            for by in self.things.values()
            for things in by.values()
            for kind in ("WORKFLOW", "WAITING_WORKFLOW")
            if kind in things
        }
        return " OR ".join(f'workflow_id = "{one}"' for one in sorted(names))


@pytest.fixture(scope="session")
async def world(stack: Stack) -> AsyncIterator[World]:
    """People of every role, with what is theirs, somebody else's, public and shared with them."""
    async with AsyncExitStack() as open_:
        channels = {
            service: await open_.enter_async_context(plain(f"127.0.0.1:{getattr(stack.ports, name)}"))
            for service, name in PORTS.items()
        }
        admin = Client(channels, stack.admin_key)
        owner, viewer, editor = [await _person(admin) for _ in range(3)]
        script = {"version": "1.0.0", "python_script": {"code_content": BIG}}
        definition = {"name": fresh("big"), "type": "PYTHON_SCRIPT", "visibility": "PUBLIC"}
        body = {"definition": definition, "initial_version": script}
        await owner.call("RegistryService.CreateDefinition", body)
        component = definition["name"]

        foreign = {
            "private": await _things(owner, component, "PRIVATE"),
            "public": await _things(owner, component, "PUBLIC"),
            **{one: await _things(owner, component, "PRIVATE") for one in SHARES},
        }
        for relation, permission in SHARES.items():
            for somebody in (viewer, editor):
                await _share(owner, foreign[relation], somebody, permission)
        for relation, things in foreign.items():
            if relation != "private":
                del things["API_KEY"]  # there are no public ones, and nobody shares one
        foreign["private"]["USER"] = owner.id
        found = World({"Viewer": viewer, "Editor": editor, "Admin": admin}, owner)
        found.things = {role: dict(foreign) for role in found.callers}
        for role, somebody in (("Viewer", viewer), ("Editor", editor)):
            found.things[role]["own"] = await _things(somebody, component, "PRIVATE") | {"USER": somebody.id}
        for things in {id(one): one for by in found.things.values() for one in by.values()}.values():
            await _end(admin, things)
        # The viewer made things as an editor, to have some.
        change = {"user_id": viewer.id, "user": {"role_name": "Viewer"}}
        await admin.call("IdentityService.UpdateUser", change)  # which ends the viewer's session
        viewer.token = await _login(viewer)
        foreign["private"]["SESSION"] = await _session(owner)
        found.things["Viewer"]["own"]["SESSION"] = await _session(viewer)
        found.things["Editor"]["own"]["SESSION"] = await _session(editor)
        yield found


async def _person(admin: Client) -> Client:
    email = f"{fresh('matrix')}@example.com"
    body = {"email": email, "password": PASSWORD, "role_name": "Editor"}
    made = await admin.made("IdentityService.RegisterUser", "user", body)
    somebody = Client(admin.channels, "", made, email)
    somebody.token = await _login(somebody)
    return somebody


async def _login(somebody: Client) -> str:
    anyone = Client(somebody.channels, "")
    answer = await anyone.call("IdentityService.Login", {"email": somebody.email, "password": PASSWORD})
    return str(answer.access_token)


async def _session(somebody: Client) -> str:
    """One more session of somebody's."""
    there = Client(somebody.channels, await _login(somebody))
    sessions = (await there.call("IdentityService.ListSessions", {})).sessions
    return next(str(one.id) for one in sessions if one.current)


async def _things(owner: Client, component: str, visibility: str) -> Things:
    """One thing of each kind, made by the owner."""
    script = {"version": "1.0.0", "python_script": {"code_content": "def main(): pass"}}
    definition = {"name": fresh("def"), "type": "PYTHON_SCRIPT", "visibility": visibility}
    body = {"definition": definition, "initial_version": script}
    made = await owner.call("RegistryService.CreateDefinition", body)
    flow, waiting = fresh("wf"), fresh("wf")
    big = f"name: {flow}\nvisibility: {visibility}\nsteps: [{{id: big, component: {component}}}]\n"
    asks = f"name: {waiting}\nvisibility: {visibility}\nsteps: [{{id: go, approval: {{}}}}]\n"
    source = {
        "name": fresh("ds"),
        "type": "POSTGRESQL",
        "host": "127.0.0.1",
        "port": 1,
        "database": "none",
        "username": "nobody",
        "visibility": visibility,
    }
    schedule = {"name": fresh("sc"), "workflow": flow, "cron": {"expression": "0 0 1 1 *"}}
    trigger = {"name": fresh("tr"), "workflow": flow, "webhook": {}}
    return {
        "DEFINITION": made.definition.id,
        "VERSION": made.initial_version.id,
        "WORKFLOW": await owner.made("RegistryService.CreateWorkflow", "workflow", {"source": big}),
        "WAITING_WORKFLOW": await owner.made("RegistryService.CreateWorkflow", "workflow", {"source": asks}),
        "DATA_SOURCE": await owner.made(
            "DataSourceService.CreateDataSource", "data_source", {"data_source": source}
        ),
        "SECRET": await owner.made(
            "SecretService.CreateSecret",
            "secret",
            {"secret": {"name": fresh("secret"), "secret_value": fresh("value"), "visibility": visibility}},
        ),
        "RUN": await owner.made("EngineService.StartRun", "run", {"workflow": flow}),
        "WAITING": await owner.made("EngineService.StartRun", "run", {"workflow": waiting}),
        "SCHEDULE": await owner.made("EngineService.CreateSchedule", "schedule", {"schedule": schedule}),
        "TRIGGER": await owner.made("EngineService.CreateTrigger", "trigger", {"trigger": trigger}),
        "API_KEY": await owner.made("IdentityService.CreateApiKey", "api_key", {"name": fresh("key")}),
    }


async def _share(owner: Client, things: Things, somebody: Client, permission: str) -> None:
    share = {"user_id": somebody.id, "permission": permission}
    for kind in ("DEFINITION", "WORKFLOW", "WAITING_WORKFLOW"):
        await owner.call("RegistryService.ShareTemplate", {"template_id": things[kind], "share": share})
    body = {"data_source_id": things["DATA_SOURCE"], "share": share}
    await owner.call("DataSourceService.ShareDataSource", body)
    await owner.call("SecretService.ShareSecret", {"secret_id": things["SECRET"], "share": share})


async def _end(admin: Client, things: Things) -> None:
    """Waits for the run to end, and for the other to ask; notes the artifact."""
    run = {"run_id": things["RUN"]}
    async with asyncio.timeout(60):
        while (await admin.call("EngineService.GetRun", run)).run.status < 4:
            await asyncio.sleep(0.1)
        asked = {"run_id": things["WAITING"], "step_id": "go"}
        while (await admin.call("EngineService.GetStepExecution", asked)).step_execution.status < 2:
            await asyncio.sleep(0.1)
    (artifact,) = (await admin.call("EngineService.ListArtifacts", run)).artifacts
    things["ARTIFACT"] = artifact.id


def test_every_rpc_is_in_the_table() -> None:
    assert sorted(METHODS) == sorted(PATHS)


@pytest.mark.parametrize("method", [name for name, row in METHODS.items() if "of" not in row])
async def test_a_method_lets_in_the_roles_it_is_for(world: World, method: str) -> None:
    row = METHODS[method]
    found = {
        role: await outcome(caller, method, _filled(row, world, {})) for role, caller in world.callers.items()
    }

    assert found == {
        role: "denied" if RANKS[role] < RANKS[row["least"]] else "passed" for role in world.callers
    }


@pytest.mark.parametrize("method", [name for name, row in METHODS.items() if "of" in row])
async def test_a_method_does_to_a_thing_what_its_relation_to_the_caller_allows(
    world: World, method: str
) -> None:
    row = METHODS[method]
    expected: dict[tuple[str, str, str, str], str] = {}
    calls: dict[tuple[str, str, str, str], Any] = {}
    for kind in _listed(row["of"]):
        known = world.known(kind)
        for role, caller in world.callers.items():
            for relation, id_ in {**known[role], "missing": MISSING}.items():
                for at in _listed(row["at"]):
                    key = (role, relation, kind, at)
                    expected[key] = _expected(row, role, relation, kind)
                    if row.get("once") and expected[key] == "passed":
                        id_ = await _another(world, role, kind)  # noqa: PLW2901  # what is there stays
                    public = known[role].get("public", id_)
                    ids = {one: id_ if one == at else public for one in _listed(row["at"])}
                    calls[key] = outcome(caller, method, _filled(row, world, ids))

    answers = await asyncio.gather(*calls.values())

    found = dict(zip(calls, answers, strict=True))
    assert {key: one for key, one in found.items() if one != expected[key]} == {}


@pytest.mark.parametrize("method", [name for name, row in METHODS.items() if "lists" in row])
async def test_a_list_holds_what_its_caller_reaches_and_nothing_else(world: World, method: str) -> None:
    row = METHODS[method]
    known = world.known(row["lists"])
    every = {id_ for by in known.values() for id_ in by.values()}
    for role, caller in world.callers.items():
        if RANKS[role] < RANKS[row["least"]]:
            continue
        reached = {
            id_
            for relation, id_ in known[role].items()
            if _expected(row, role, relation, row["lists"]) == "passed"
        }

        shown = await _shown(caller, method, _filled(row, world, {}))

        assert {one for one in every if one in shown} == (every if role == "Admin" else reached), role


async def test_counts_hold_what_their_caller_reaches_and_nothing_else(world: World) -> None:
    row = METHODS["EngineService.CountRuns"]
    for role, caller in world.callers.items():
        for relation, id_ in world.known("WORKFLOW")[role].items():
            fields = {"filter": f'workflow_id = "{id_}"', "by_workflow": True}

            counted = await caller.call("EngineService.CountRuns", fields)

            there = sum(counted.total.statuses.values()) > 0
            assert there == (_expected(row, role, relation, "RUN") == "passed"), (role, relation)


async def test_what_is_hidden_is_told_like_what_does_not_exist(world: World) -> None:
    editor = world.callers["Editor"]
    for method, row in METHODS.items():
        if row.get("does") != "VIEW" or "of" not in row or row["of"] == "USER":
            continue
        (at, *_) = _listed(row["at"])
        told = []
        for id_ in (world.things["Editor"]["private"][row["of"]], MISSING):
            ids = dict.fromkeys(_listed(row["at"]), id_)
            with pytest.raises(ServiceError) as caught:
                await editor.call(method, _filled(row, world, ids))
            caught.value.metadata.pop("trace_id", None)
            told.append((caught.value.reason, caught.value.message.replace(id_, "?"), caught.value.metadata))

        assert told[0] == told[1], (method, at)


async def outcome(caller: Client, method: str, fields: Mapping[str, Any]) -> str:
    """Whether the caller was let through to the thing: `passed`, whatever came of it then, `denied` or `hidden`."""
    try:
        await caller.call(method, fields)
    except ServiceError as error:
        if error.code in ("INTERNAL", "UNKNOWN", "UNIMPLEMENTED", "UNAVAILABLE"):
            return f"broken: {error!r}"
        row = METHODS[method]
        reasons = {ORACLE["hidden"][kind] for kind in (*_listed(row.get("of", [])), "TEMPLATE")}
        if error.reason in reasons:
            return "hidden"
        if error.code == "PERMISSION_DENIED" and error.reason in REFUSED:
            return "denied"
    return "passed"


def _expected(row: Mapping[str, Any], role: str, relation: str, kind: str) -> str:
    if RANKS[role] < RANKS[row["least"]]:
        return "denied"
    if role == "Admin":
        return "hidden" if relation == "missing" else "passed"
    if relation in row.get("instead", {}):
        return str(row["instead"][relation])
    allowed = ORACLE["kinds"].get(kind, {}).get(relation, ORACLE["relations"][relation])
    if row["does"] in allowed:
        return "passed"
    return "denied" if allowed else "hidden"


def _filled(row: Mapping[str, Any], world: World, ids: Mapping[str, str]) -> dict[str, Any]:
    """The row's request, with ids put in at these paths."""
    fields: dict[str, Any] = copy.deepcopy(row.get("with", {}))
    if fields.get("filter") == "$runs":
        fields["filter"] = world.runs
    for path, id_ in ids.items():
        inner = fields
        *above, last = path.split(".")
        for name in above:
            inner = inner.setdefault(name, {})
        inner[last] = [id_] if last.endswith("_ids") else id_
    return fields


async def _shown(caller: Client, method: str, fields: dict[str, Any]) -> str:
    """All the pages of a list, as text."""
    request = _class(ALL[PATHS[method]][0].input_type).DESCRIPTOR.fields_by_name
    if "page_size" in request:
        fields["page_size"] = 20 if "page_token" in request else 1000
    text = ""
    while True:
        answer = await caller.call(method, fields)
        text += str(answer)
        fields["page_token"] = getattr(answer, "next_page_token", "")
        if not fields["page_token"]:
            return text


async def _another(world: World, role: str, kind: str) -> str:
    """One more thing of the caller's own, to be deleted."""
    if kind == "USER":
        return (await _person(world.callers["Admin"])).id
    if kind == "SESSION":
        return await _session(
            await _person(world.callers["Admin"]) if role == "Admin" else world.callers[role]
        )
    return await world.callers[role].made("IdentityService.CreateApiKey", "api_key", {"name": fresh("key")})


def _listed(one: Any) -> list[str]:
    return one if isinstance(one, list) else [one]
