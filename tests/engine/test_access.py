"""Whose runs somebody may see and steer."""

import asyncio
import dataclasses
import time
from typing import Any

import grpc.aio
import pytest
from google.protobuf import timestamp_pb2

from chassis.context import Caller
from chassis.statuses import from_rpc_error
from engine import lending, reach, sight
from engine.audit import RunEventRecords
from mcpanel.engine.v1 import engine_pb2, run_pb2, schedule_pb2
from mcpanel.registry.v1 import component_pb2
from tests.engine.conftest import Engine, Engines
from tests.engine.support.automation import (
    PRIVATE,
    create,
    create_trigger,
    eventually,
    get_trigger,
    lacking,
    quick,
    runs,
)
from tests.engine.support.errors import refused
from tests.engine.support.peers import Peers
from tests.engine.support.worker import FakeWorker
from tests.support.callers import ADMIN, EDITOR, KEEPER, OTHER_EDITOR, as_caller, user


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry is asked each time."""
    monkeypatch.setattr(reach, "_GOOD_FOR", 0.0)


def waiting(peers: Peers, **more: Any) -> Any:
    """A workflow of somebody else's whose runs wait for a decision."""
    step = {"id": "go", "alone": True, "approval": {"message": "?"}}
    return peers.registry.workflow(step, **{"owner_id": OTHER_EDITOR.id, **more})


async def seen(engine: Engine, run_id: str, caller: Caller) -> list[bool]:
    """Whether the run is there for the caller: alone, in the list, among the approvals, counted, and watched."""
    metadata = as_caller(caller)
    try:
        await engine.stub.GetRun(engine_pb2.GetRunRequest(run_id=run_id), metadata=metadata)
        alone = True
    except Exception:  # what it was refused with is another test's
        alone = False
    listed = await engine.stub.ListRuns(engine_pb2.ListRunsRequest(), metadata=metadata)
    approvals = await engine.stub.ListApprovals(engine_pb2.ListApprovalsRequest(), metadata=metadata)
    counted = await engine.stub.CountRuns(engine_pb2.CountRunsRequest(), metadata=metadata)
    watching = engine.stub.WatchRuns(engine_pb2.WatchRunsRequest(), metadata=metadata)
    first = await anext(aiter(watching))
    watching.cancel()
    following = engine.stub.WatchRun(engine_pb2.WatchRunRequest(run_id=run_id), metadata=metadata)
    try:
        followed = bool((await anext(aiter(following))).ByteSize())
    except Exception:  # as above
        followed = False
    following.cancel()
    return [
        alone,
        run_id in [one.id for one in listed.runs],
        run_id in [one.run_id for one in approvals.approvals],
        sum(counted.total.statuses.values()) > 0,
        first.run.id == run_id,
        followed,
    ]


async def steered(engine: Engine, run_id: str, caller: Caller, *methods: str) -> list[str]:
    """What the caller's attempts to steer the run are refused with."""
    found = []
    for method in methods or ("PauseRun", "ResumeRun", "CancelRun"):
        request = getattr(engine_pb2, f"{method}Request")(run_id=run_id)
        try:
            await getattr(engine.stub, method)(request, metadata=as_caller(caller))
            found.append("")
        except grpc.aio.AioRpcError as error:
            found.append(from_rpc_error(error, "engine").reason)
    return found


async def test_who_sees_a_public_run_does_not_thereby_steer_it(engine: Engine, peers: Peers) -> None:
    waiting(peers)
    request = engine_pb2.StartRunRequest(workflow="flow")
    run = (await engine.stub.StartRun(request, metadata=as_caller(ADMIN))).run

    bulk = engine_pb2.CancelRunsRequest(filter='workflow_name = "flow"')
    cancelled = await engine.stub.CancelRuns(bulk, metadata=as_caller(EDITOR))

    assert all(await seen(engine, run.id, EDITOR))
    assert await steered(engine, run.id, EDITOR) == ["NOT_GRANTED"] * 3
    assert list(cancelled.run_ids) == []
    assert await steered(engine, run.id, OTHER_EDITOR) == ["", "", ""]


@pytest.mark.parametrize(
    ("permission", "to"), [("VIEW", EDITOR.id), ("EDIT", EDITOR.id), ("DELETE", "Editor")]
)
async def test_the_runs_of_a_shared_workflow_are_shared_with_it(
    engine: Engine, peers: Peers, permission: str, to: str
) -> None:
    flow = waiting(peers, visibility=PRIVATE)
    request = engine_pb2.StartRunRequest(workflow="flow")
    run = (await engine.stub.StartRun(request, metadata=as_caller(ADMIN))).run
    before = await seen(engine, run.id, EDITOR)

    peers.registry.shares = {to: {flow.id: permission}}
    during = await seen(engine, run.id, EDITOR)
    steering = await steered(engine, run.id, EDITOR)
    peers.registry.shares = {}

    assert not any(before)
    assert all(during)
    assert steering == (["NOT_GRANTED"] * 3 if permission == "VIEW" else ["", "", ""])
    assert not any(await seen(engine, run.id, KEEPER))


async def started(engine: Engine, caller: Caller, **fields: Any) -> run_pb2.Run:
    """A run with a key of the workflow's."""
    request = engine_pb2.StartRunRequest(workflow="flow", run_key="order-7", **fields)
    return (await engine.stub.StartRun(request, metadata=as_caller(caller))).run


POLICIES = ("refuse", "use_existing", "cancel_existing")


async def test_a_key_gives_away_no_run_that_the_caller_may_not_see(engine: Engine, peers: Peers) -> None:
    waiting(peers, visibility=PRIVATE)
    run = await started(engine, ADMIN)

    found = [await refused(started(engine, EDITOR, on_conflict=policy)) for policy in POLICIES]
    await engine.stub.CancelRun(engine_pb2.CancelRunRequest(run_id=run.id), metadata=as_caller(ADMIN))
    found.append(await refused(started(engine, EDITOR, on_reuse="refuse")))

    assert {one.reason for one in found} == {"RUN_EXISTS"}
    assert all(run.id not in str(one.metadata) and "status" not in one.metadata for one in found)
    assert {one.message for one in found} == {
        "a run that you may not see has the key 'order-7' of 'flow'; use another key"
    }


async def test_a_key_cancels_no_run_that_the_caller_may_not_cancel(
    engine: Engine, engines: Engines, peers: Peers
) -> None:
    waiting(peers)
    starter = dataclasses.replace(
        user("starter", "Editor", 21), permissions=EDITOR.permissions - {"runs.cancel"}
    )
    engines.authenticator.admit(starter)
    run = await started(engine, ADMIN)

    same = await started(engine, EDITOR, on_conflict="use_existing")
    stranger = await refused(started(engine, EDITOR, on_conflict="cancel_existing"))
    unable = await refused(started(engine, starter, on_conflict="cancel_existing"))
    untouched = await engine.get(run.id)
    by_owner = await started(engine, OTHER_EDITOR, on_conflict="cancel_existing")

    assert same.id == run.id
    assert (stranger.code, stranger.reason) == ("PERMISSION_DENIED", "NOT_GRANTED")
    assert (unable.reason, unable.metadata["permission"]) == ("PERMISSION_MISSING", "runs.cancel")
    assert not untouched.HasField("cancel_requested_at")
    assert by_owner.id != run.id
    assert (await engine.get(run.id)).status == run_pb2.Run.ABORTED


async def does_not_resume(stream: Any) -> None:
    """Reads what the stream of a run still has; the run does not go on in it."""
    async with asyncio.timeout(20):
        async for message in stream:
            assert message.event.run_status_change.status != run_pb2.Run.RUNNING


async def test_what_is_taken_back_leaves_the_streams_that_are_open(
    engine: Engine, peers: Peers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sight, "PAUSE", 0.0)
    monkeypatch.setattr(sight, "_AWAY", 0.0)
    flow = waiting(peers, visibility=PRIVATE)
    peers.registry.shares = {EDITOR.id: {flow.id: "VIEW"}}
    request = engine_pb2.StartRunRequest(workflow="flow")
    theirs = (await engine.stub.StartRun(request, metadata=as_caller(ADMIN))).run
    watch = engine_pb2.WatchRunRequest(run_id=theirs.id)
    shared = aiter(engine.stub.WatchRun(watch, metadata=as_caller(EDITOR)))
    own = aiter(engine.stub.WatchRun(watch, metadata=as_caller(OTHER_EDITOR)))
    listed = aiter(engine.stub.WatchRuns(engine_pb2.WatchRunsRequest(), metadata=as_caller(EDITOR)))
    for stream in (shared, own, listed):
        while not (await anext(stream)).HasField("live"):
            pass

    peers.registry.tells_shares = False  # away: nobody takes anything back
    await steered(engine, theirs.id, OTHER_EDITOR, "PauseRun")
    meanwhile = [(await anext(stream)).WhichOneof("item") for stream in (shared, own, listed)]
    peers.registry.tells_shares, peers.registry.shares = True, {}
    await steered(engine, theirs.id, OTHER_EDITOR, "ResumeRun")

    refusal = await refused(does_not_resume(shared))
    while not (left := (await anext(listed)).left):
        pass
    assert meanwhile == ["event", "event", "run"]
    assert (refusal.code, refusal.reason) == ("NOT_FOUND", "RUN_NOT_FOUND")
    assert left == theirs.id
    assert (await anext(own)).HasField("event")


async def test_without_the_registry_what_is_shared_is_hidden_and_what_is_ones_own_is_there(
    engine: Engine, peers: Peers
) -> None:
    flow = waiting(peers, visibility=PRIVATE)
    mine = await engine.start_run()
    request = engine_pb2.StartRunRequest(workflow="flow")
    theirs = (await engine.stub.StartRun(request, metadata=as_caller(ADMIN))).run
    peers.registry.shares = {EDITOR.id: {flow.id: "VIEW"}}

    peers.registry.tells_shares = False

    assert (await engine.get(mine.id)).id == mine.id
    hidden = await refused(
        engine.stub.GetRun(engine_pb2.GetRunRequest(run_id=theirs.id), metadata=as_caller(EDITOR))
    )
    assert hidden.reason == "RUN_NOT_FOUND"


async def test_a_schedule_and_a_trigger_may_start_what_is_shared_with_their_owner(
    engine: Engine, peers: Peers
) -> None:
    flow = quick(peers, owner_id=OTHER_EDITOR.id, visibility=PRIVATE)
    quick(peers, "report")
    peers.registry.shares = {EDITOR.id: {flow.id: "VIEW"}}
    await create(engine)
    await create_trigger(engine, name="after", workflow="report", run_end={"workflow": "flow"})
    fire = schedule_pb2.TriggerScheduleRequest(schedule_id="nightly")

    await engine.stub.TriggerSchedule(fire, metadata=as_caller(EDITOR))

    async def followed() -> Any:
        return await runs(engine, 'workflow_name = "report"')

    assert len(await eventually(followed)) == 1
    peers.registry.shares = {}
    refusal = await refused(engine.stub.TriggerSchedule(fire, metadata=as_caller(ADMIN)))
    request = engine_pb2.StartRunRequest(workflow="flow")
    await engine.stub.StartRun(request, metadata=as_caller(OTHER_EDITOR))

    async def failed() -> Any:
        return (await get_trigger(engine, "after")).last_start.error

    assert "private to somebody else" in await eventually(failed)
    assert refusal.reason == "OWNER_MAY_NOT_START"


async def test_a_credential_for_one_run_reaches_no_other(engines: Any, peers: Peers) -> None:
    engine = await engines.start()
    waiting(peers)
    run, other = await engine.start_run(), await engine.start_run()
    for caller in (EDITOR, ADMIN):
        narrowed = dataclasses.replace(caller, credential=f"{caller.name}-ticket", claims={"run_id": run.id})
        engines.authenticator.admit(narrowed)

        assert all(await seen(engine, run.id, narrowed))
        assert not any(
            one for number, one in enumerate(await seen(engine, other.id, narrowed)) if number != 3
        )
        listed = await engine.stub.ListSchedules(
            schedule_pb2.ListSchedulesRequest(), metadata=as_caller(narrowed)
        )
        assert list(listed.schedules) == []


async def test_the_records_of_a_run_say_by_which_means_it_was_started(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    quick(peers)
    metadata = (*as_caller(EDITOR), ("user-agent", "curl/8"))
    request = engine_pb2.StartRunRequest(workflow="flow", request_id="once")

    run = (await engine.stub.StartRun(request, metadata=metadata)).run

    async def of_the_run() -> list[Any]:
        """Its records, as soon as there are any."""
        found = await RunEventRecords(engine.built.db).read(1000)
        return [one for one in found if run.id in one.record_id]

    records = await eventually(of_the_run)
    (actor, *rest) = [one.actor for one in records]
    assert {one.request_id for one in records} == {"once"}
    assert (actor.id, actor.session_id, actor.api_key_id) == (EDITOR.id, EDITOR.session_id, "")
    assert all(one == actor for one in rest)
    assert actor.user_agent


@pytest.fixture
def asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines that start after this ask each time what may be used."""
    monkeypatch.setattr(lending, "_GOOD_FOR", 0.0)


@pytest.mark.usefixtures("asked_anew")
async def test_nothing_starts_that_is_made_of_what_is_shared_no_more(engine: Engine, peers: Peers) -> None:
    flow, component = quick(peers), peers.registry.component("tool", kind=component_pb2.Definition.DATA)
    before = await engine.ended((await engine.start_run()).id)
    await create(engine)
    lacking(peers, flow.id, used_by="workflow 'flow'")
    lacking(peers, component.id, used_by="component 'tool@1.0.0'")
    metadata = as_caller(EDITOR)
    later = timestamp_pb2.Timestamp(seconds=int(time.time()) + 3600)
    calls = (
        engine.stub.StartRun(engine_pb2.StartRunRequest(workflow="flow"), metadata=metadata),
        engine.stub.StartRun(engine_pb2.StartRunRequest(workflow="flow", start_at=later), metadata=metadata),
        engine.stub.RerunRun(
            engine_pb2.RerunRunRequest(run_id=before.id, from_start=True), metadata=metadata
        ),
        engine.stub.TestVersion(engine_pb2.TestVersionRequest(version_id=component.id), metadata=metadata),
        engine.stub.TriggerSchedule(
            schedule_pb2.TriggerScheduleRequest(schedule_id="nightly"), metadata=metadata
        ),
    )

    for call in calls:
        error = await refused(call)
        assert (error.code, error.reason) == ("FAILED_PRECONDITION", "PARTS_NOT_SHARED")
        assert "component 'secret-step' is private and not shared with " in error.message
        assert OTHER_EDITOR.id in error.message
        assert error.metadata["missing"].startswith("definition:")
    assert [one.id for one in await runs(engine)] == [before.id]
    peers.registry.missing.clear()
    assert (await engine.ended((await engine.start_run()).id)).status == before.status


async def test_many_starts_ask_once_what_may_be_used(engine: Engine, peers: Peers) -> None:
    quick(peers)

    await engine.start_run()
    await asyncio.gather(*(engine.start_run() for _ in range(20)))

    assert peers.registry.checks == 1
