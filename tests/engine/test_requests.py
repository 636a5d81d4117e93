"""What a request for a run may not ask for."""

from datetime import UTC, datetime, timedelta

import pytest

from chassis.errors import Invalid
from engine import requests
from mcpanel.engine.v1 import engine_pb2, run_pb2
from tests.engine.conftest import Engine
from tests.engine.support.errors import refused
from tests.engine.support.peers import Peers
from tests.engine.support.worker import FakeWorker
from tests.support.callers import EDITOR, as_caller

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        (datetime(1, 1, 1, tzinfo=UTC), "more than a year ago"),
        (datetime(1970, 1, 1, tzinfo=UTC), "more than a year ago"),
        (NOW - timedelta(days=366), "more than a year ago"),
        (NOW + timedelta(days=3654), "more than ten years ahead"),
        (datetime(9999, 12, 31, tzinfo=UTC), "more than ten years ahead"),
    ],
)
def test_a_start_time_that_cannot_be_meant_is_refused(moment: datetime, words: str) -> None:
    with pytest.raises(Invalid) as caught:
        requests.start(moment, "", "", "", NOW)

    assert [one.field for one in caught.value.fields] == ["start_at"]
    assert words in caught.value.message
    assert "leave it out to start at once" in caught.value.message


@pytest.mark.parametrize("days", [-364, -1, 0, 1, 3650])
def test_a_start_time_that_may_be_meant_is_taken(days: int) -> None:
    requests.start(NOW + timedelta(days=days), "", "", "", NOW)


@pytest.mark.parametrize("field", ["on_conflict", "on_reuse"])
async def test_a_policy_about_keys_needs_a_key(
    engine: Engine, peers: Peers, worker: FakeWorker, field: str
) -> None:
    peers.registry.workflow({"id": "a"})

    request = engine_pb2.StartRunRequest(workflow="flow")
    setattr(request, field, "refuse")
    refusal = await refused(engine.stub.StartRun(request, metadata=as_caller(EDITOR)))
    request.run_key = "order-1"
    run = (await engine.stub.StartRun(request, metadata=as_caller(EDITOR))).run

    assert (refusal.reason, list(refusal.fields)) == ("INVALID_FIELD", [field])
    assert "give a run_key too" in refusal.message
    assert run.run_key == "order-1"


async def test_a_word_that_is_none_of_the_choices_is_told_what_they_are(engine: Engine) -> None:
    request = engine_pb2.StartRunRequest(workflow="flow", run_key="k", on_reuse="maybe")

    refusal = await refused(engine.stub.StartRun(request, metadata=as_caller(EDITOR)))

    assert refusal.message == "on_reuse: must be 'allow', 'allow_failed' or 'refuse'; or leave it out"


async def test_absurd_times_are_refused_over_the_api(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a"})
    request = engine_pb2.StartRunRequest(workflow="flow")

    for text in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        request.start_at.FromJsonString(text)
        refusal = await refused(engine.stub.StartRun(request, metadata=as_caller(EDITOR)))
        assert list(refusal.fields) == ["start_at"]
    request.start_at.FromDatetime(datetime.now(UTC) - timedelta(hours=1))
    run = (await engine.stub.StartRun(request, metadata=as_caller(EDITOR))).run

    assert (await engine.ended(run.id)).status == run_pb2.Run.SUCCESS


async def test_a_rerun_is_from_the_start_or_from_steps(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a"})
    run = await engine.ended((await engine.start_run()).id)
    request = engine_pb2.RerunRunRequest(run_id=run.id, from_steps=["a"], from_start=True)

    refusal = await refused(engine.stub.RerunRun(request, metadata=as_caller(EDITOR)))

    assert (refusal.reason, list(refusal.fields)) == ("INVALID_FIELD", ["from_start"])
    assert "give one of them" in refusal.message
