"""Schedules: runs by the clock, once for each fire time, on behalf of their owners."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from google.protobuf import field_mask_pb2

from chassis.ids import uuid7
from engine import lending
from mcpanel.engine.v1 import run_pb2, schedule_pb2
from tests.engine.conftest import Engine, Engines
from tests.engine.support.automation import PRIVATE, create, eventually, get, lacking, quick, runs
from tests.engine.support.errors import refused
from tests.engine.support.peers import Peers
from tests.support.callers import ADMIN, EDITOR, OTHER_EDITOR, VIEWER, as_caller

Schedule = schedule_pb2.Schedule


async def missed(engines: Engines, ago: str, name: str = "nightly") -> None:
    """Puts the next fire time into the past, as if the suite had been away since then."""
    async with await psycopg.AsyncConnection.connect(engines.url, autocommit=True) as connection:
        await connection.execute(
            "UPDATE schedules SET next_fire_at = date_trunc('second', now()) - %s::interval WHERE name = %s",
            (ago, name),
        )


async def update(engine: Engine, caller: Any = EDITOR, *, mask: str = "", **fields: Any) -> Schedule:
    request = schedule_pb2.UpdateScheduleRequest(
        schedule_id="nightly",
        schedule=Schedule(**fields),
        update_mask=field_mask_pb2.FieldMask(paths=mask.split()) if mask else None,
    )
    return (await engine.stub.UpdateSchedule(request, metadata=as_caller(caller))).schedule


async def pause(engine: Engine) -> Schedule:
    request = schedule_pb2.PauseScheduleRequest(schedule_id="nightly")
    return (await engine.stub.PauseSchedule(request, metadata=as_caller(EDITOR))).schedule


async def resume(engine: Engine) -> Schedule:
    request = schedule_pb2.ResumeScheduleRequest(schedule_id="nightly")
    return (await engine.stub.ResumeSchedule(request, metadata=as_caller(EDITOR))).schedule


async def test_a_schedule_says_when_it_fires_and_starts_a_run_when_it_is_time(
    engine: Engine, engines: Engines, peers: Peers
) -> None:
    quick(peers)
    schedule = await create(
        engine, inputs={"n": 7}, cron={"expression": "0 6 * * *", "time_zone": "Asia/Tokyo"}
    )
    await missed(engines, "10 seconds")

    (run,) = await eventually(lambda: runs(engine))

    assert len(schedule.next_fire_times) == 5
    assert {one.ToDatetime(UTC).strftime("%H:%M:%S") for one in schedule.next_fire_times} == {"21:00:00"}
    assert (run.triggered_by, run.started_by) == (f"schedule:{schedule.id}", EDITOR.id)
    assert (await engine.ended(run.id)).outputs["got"] == 7
    found = await get(engine)
    assert (found.last_fire.run_id, found.last_fire.error, found.skipped_count) == (run.id, "", 0)
    assert found.next_fire_times[0] == schedule.next_fire_times[0]


async def test_an_interval_fires_at_its_distance(engine: Engine, peers: Peers) -> None:
    quick(peers)
    await create(engine, interval={"every": timedelta(seconds=1)})

    found = await eventually(lambda: _at_least(engine, 2))

    moments = [one.created_at.ToDatetime() for one in found]
    assert moments[1] - moments[0] > timedelta(milliseconds=500)


async def _at_least(engine: Engine, count: int) -> list[run_pb2.Run]:
    found = await runs(engine)
    return found if len(found) >= count else []


async def test_of_two_replicas_one_fires(engines: Engines, peers: Peers) -> None:
    quick(peers)
    first, second = await engines.start(), await engines.start()
    names = [f"s{number}" for number in range(12)]
    for name in names:
        await create(first, name=name)
    for name in names:
        await missed(engines, "5 seconds", name)

    await eventually(lambda: _at_least(second, len(names)))
    await asyncio.sleep(0.5)

    found = await runs(second)
    assert len(found) == len({one.triggered_by for one in found}) == len(names)


@pytest.mark.parametrize(("policy", "count"), [("NONE", 0), ("LATEST", 1), ("ALL", 5)])
async def test_what_was_missed_is_made_up_for_as_the_policy_says(
    engine: Engine, engines: Engines, peers: Peers, policy: str, count: int
) -> None:
    quick(peers)
    anchor = datetime.now(UTC) - timedelta(minutes=22, seconds=5)
    await create(engine, interval={"every": timedelta(minutes=20), "anchor_at": anchor}, catch_up=policy)
    await missed(engines, "82 minutes")  # which is five fire times, the latest two minutes ago

    async def decided() -> bool:
        return len(await runs(engine)) + (await get(engine)).skipped_count >= 5

    await eventually(decided)

    assert len(await runs(engine)) == count
    assert (await get(engine)).skipped_count == 5 - count


async def test_a_paused_schedule_fires_not_and_makes_up_for_nothing(
    engine: Engine, engines: Engines, peers: Peers
) -> None:
    quick(peers)
    await create(engine)
    paused = await pause(engine)
    again = await pause(engine)
    await asyncio.sleep(0.5)

    resumed = await resume(engine)

    assert (paused.paused, list(paused.next_fire_times), again.etag) == (True, [], paused.etag)
    assert not resumed.paused
    assert resumed.next_fire_times[0].ToDatetime(UTC) > datetime.now(UTC)
    assert await runs(engine) == []


async def test_people_start_a_scheduled_run_when_they_like(engine: Engine, peers: Peers) -> None:
    quick(peers)
    await create(engine, paused=True, inputs={"n": 3})
    request = schedule_pb2.TriggerScheduleRequest(schedule_id="nightly", request_id="once")

    run = (await engine.stub.TriggerSchedule(request, metadata=as_caller(ADMIN))).run
    same = (await engine.stub.TriggerSchedule(request, metadata=as_caller(ADMIN))).run

    assert same.id == run.id
    assert run.started_by == EDITOR.id
    assert (await engine.ended(run.id)).outputs["got"] == 3
    assert (await get(engine)).last_fire.run_id == run.id
    assert len(await runs(engine)) == 1


async def test_a_start_that_fails_is_recorded_and_the_schedule_goes_on(
    engine: Engine, engines: Engines, peers: Peers
) -> None:
    quick(peers)
    schedule = await create(engine)
    flow = peers.registry.workflows.pop(schedule.workflow_id)
    await missed(engines, "5 seconds")

    async def failed() -> str:
        return (await get(engine)).last_fire.error

    error = await eventually(failed)
    peers.registry.workflows[schedule.workflow_id] = flow
    await missed(engines, "4 seconds")
    (run,) = await eventually(lambda: runs(engine))

    assert "NOT_FOUND" in error
    assert (await get(engine)).last_fire.run_id == run.id


async def test_a_service_that_does_not_answer_is_waited_for(
    engine: Engine, engines: Engines, peers: Peers
) -> None:
    quick(peers)
    await create(engine)
    peers.identity.answers = False
    await missed(engines, "5 seconds")

    async def waits() -> str:
        return (await get(engine)).waiting_for

    why = await eventually(waits)
    peers.identity.answers = True

    assert why
    assert len(await eventually(lambda: runs(engine))) == 1
    assert (await get(engine)).waiting_for == ""


async def test_a_missing_worker_is_waited_for(engine: Engine, engines: Engines, peers: Peers) -> None:
    peers.registry.workflow({"id": "a"})
    await create(engine)
    await missed(engines, "5 seconds")

    async def waits() -> str:
        return (await get(engine)).waiting_for

    assert "NO_WORKER_FOR_TYPE" in await eventually(waits)
    assert not (await get(engine)).HasField("last_fire")


@pytest.mark.parametrize("what", ["gone", "demoted", "blind"])
async def test_runs_start_with_the_rights_that_the_owner_has_then(
    engine: Engine, engines: Engines, peers: Peers, what: str
) -> None:
    flow = quick(peers, owner_id=EDITOR.id, visibility=PRIVATE)
    await create(engine)
    match what:
        case "gone":
            del peers.identity.people[EDITOR.id]
        case "demoted":
            peers.identity.people[EDITOR.id] = _as_editor(VIEWER)
        case "blind":
            flow.owner_id = OTHER_EDITOR.id
    await missed(engines, "5 seconds")

    async def failed() -> str:
        return (await get(engine)).last_fire.error

    assert "OWNER_MAY_NOT_START" in await eventually(failed)
    assert await runs(engine) == []


def _as_editor(role: Any) -> Any:
    return replace(role, id=EDITOR.id)


async def test_an_administrator_who_made_it_as_an_editor_sees_no_more_than_an_editor(
    engine: Engine, engines: Engines, peers: Peers
) -> None:
    flow = quick(peers, owner_id=EDITOR.id, visibility=PRIVATE)
    await create(engine)
    flow.owner_id = OTHER_EDITOR.id
    peers.identity.people[EDITOR.id] = _as_editor(ADMIN)
    await missed(engines, "5 seconds")

    async def failed() -> str:
        return (await get(engine)).last_fire.error

    assert "private to somebody else" in await eventually(failed)


async def test_an_update_finds_the_next_time_anew(engine: Engine, peers: Peers) -> None:
    quick(peers)
    quick(peers, "other")
    before = await create(engine)

    after = await update(
        engine,
        cron={"expression": "0 0 1 1 *"},
        workflow="other",
        inputs={"n": 9},
        description="yearly",
        etag=before.etag,
    )
    stale = await refused(update(engine, description="late", etag=before.etag))
    bounded = await update(engine, mask="end_at", end_at=datetime.now(UTC) + timedelta(days=1))

    assert (after.workflow, after.cron.expression, after.inputs["n"]) == ("other", "0 0 1 1 *", 9)
    assert after.etag != before.etag
    assert stale.reason == "ETAG_MISMATCH"
    assert list(bounded.next_fire_times) == []


async def test_only_the_owner_and_administrators_change_it(engine: Engine, peers: Peers) -> None:
    quick(peers)
    await create(engine)

    stranger = await refused(update(engine, OTHER_EDITOR, description="mine"))
    looker = await refused(create(engine, VIEWER, name="mine"))

    assert (stranger.code, stranger.reason) == ("PERMISSION_DENIED", "NOT_THE_OWNER")
    assert looker.reason == "PERMISSION_MISSING"
    assert (await update(engine, ADMIN, description="ours")).owner_id == EDITOR.id
    assert (await get(engine, caller=VIEWER)).description == "ours"


async def test_a_schedule_of_a_private_workflow_is_known_to_few(engine: Engine, peers: Peers) -> None:
    quick(peers, owner_id=EDITOR.id, visibility=PRIVATE)
    await create(engine)

    refusal = await refused(get(engine, caller=OTHER_EDITOR))
    request = schedule_pb2.ListSchedulesRequest()
    listed = await engine.stub.ListSchedules(request, metadata=as_caller(OTHER_EDITOR))

    assert refusal.reason == "SCHEDULE_NOT_FOUND"
    assert list(listed.schedules) == []
    assert (await get(engine, caller=EDITOR)).name == "nightly"


async def test_what_makes_no_schedule_is_refused_naming_it(engine: Engine, peers: Peers) -> None:
    quick(peers)
    await create(engine)
    day = timedelta(days=1)
    cases: dict[str, dict[str, Any]] = {
        "schedule.name": {"name": ""},
        "schedule.workflow": {"workflow": "", "name": "b"},
        "schedule.times": {"name": "b", "cron": None},
        "schedule.cron.expression": {"name": "b", "cron": {"expression": "nonsense"}},
        "schedule.cron.time_zone": {"name": "b", "cron": {"expression": "@daily", "time_zone": "X/Y"}},
        "schedule.interval.every": {"name": "b", "interval": {"every": timedelta(milliseconds=10)}},
        "schedule.end_at": {"name": "b", "start_at": datetime.now(UTC), "end_at": datetime.now(UTC) - day},
        "inputs.m": {"name": "b", "inputs": {"m": 1}},
    }

    found = {name: await refused(create(engine, **fields)) for name, fields in cases.items()}
    taken = await refused(create(engine))
    unknown = await refused(create(engine, name="b", workflow="nothing"))

    assert {name: list(one.fields) for name, one in found.items()} == {name: [name] for name in cases}
    assert taken.reason == "SCHEDULE_NAME_TAKEN"
    assert unknown.code == "NOT_FOUND"


async def test_an_end_that_has_passed_cannot_be_set_and_may_stay(
    engine: Engine, engines: Engines, peers: Peers
) -> None:
    quick(peers)
    yesterday = datetime.now(UTC) - timedelta(days=1)
    await create(engine)

    created = await refused(create(engine, name="b", end_at=yesterday))
    updated = await refused(update(engine, mask="end_at", end_at=yesterday))
    await update(engine, mask="end_at", end_at=datetime.now(UTC) + timedelta(days=1))
    async with await psycopg.AsyncConnection.connect(engines.url, autocommit=True) as connection:
        await connection.execute("UPDATE schedules SET end_at = now() - interval '1 minute'")
    over = await get(engine)
    described = await update(engine, mask="description end_at", description="over", end_at=over.end_at)

    for one in (created, updated):
        assert (one.code, one.reason, list(one.fields)) == (
            "INVALID_ARGUMENT",
            "INVALID_FIELD",
            ["schedule.end_at"],
        )
    assert (described.description, described.end_at) == ("over", over.end_at)
    assert (await refused(get(engine, "b"))).code == "NOT_FOUND"


async def test_lists_have_pages_and_filters_and_what_is_deleted_is_gone(engine: Engine, peers: Peers) -> None:
    quick(peers)
    for number in range(3):
        await create(engine, name=f"s{number}", paused=number == 1)
    metadata = as_caller(EDITOR)

    first = await engine.stub.ListSchedules(schedule_pb2.ListSchedulesRequest(page_size=2), metadata=metadata)
    rest = await engine.stub.ListSchedules(
        schedule_pb2.ListSchedulesRequest(page_size=2, page_token=first.next_page_token), metadata=metadata
    )
    paused = await engine.stub.ListSchedules(
        schedule_pb2.ListSchedulesRequest(filter="paused = true"), metadata=metadata
    )
    gone = schedule_pb2.DeleteScheduleRequest(schedule_id="s1", request_id=uuid7())
    await engine.stub.DeleteSchedule(gone, metadata=metadata)
    await engine.stub.DeleteSchedule(gone, metadata=metadata)

    assert [one.name for one in (*first.schedules, *rest.schedules)] == ["s2", "s1", "s0"]
    assert [one.name for one in paused.schedules] == ["s1"]
    assert (await refused(get(engine, "s1"))).reason == "SCHEDULE_NOT_FOUND"


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry is asked each time, by engines that start after this."""
    monkeypatch.setattr(lending, "_GOOD_FOR", 0.0)


@pytest.mark.usefixtures("fresh")
async def test_a_schedule_notes_that_something_is_shared_no_more_and_says_nothing_to_who_may_not_know(
    engine: Engine, engines: Engines, peers: Peers
) -> None:
    flow = quick(peers, owner_id=OTHER_EDITOR.id)
    await create(engine)
    lacking(peers, flow.id, used_by="workflow 'flow'")

    async def noted(reason: str, ago: str) -> bool:
        await missed(engines, ago)

        async def is_noted() -> bool:
            return (await get(engine)).last_fire.error.startswith(f"{reason}: ")

        return bool(await eventually(is_noted))

    assert await noted("PARTS_NOT_SHARED", "20 seconds")
    flow.visibility = PRIVATE
    assert await noted("OWNER_MAY_NOT_START", "10 seconds")
    assert await runs(engine) == []
