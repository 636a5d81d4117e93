"""How outputs over 256 KiB are stored as artifacts, and when they go."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from engine.artifacts import Folder
from engine.sweep import Sweep
from mcpanel.engine.v1 import engine_pb2, run_pb2, worker_pb2
from tests.engine.conftest import Engine, Engines
from tests.engine.support.errors import refused
from tests.engine.support.files import files_in, grow_old, read
from tests.engine.support.large import make_rows, outputs
from tests.engine.support.peers import Peers
from tests.engine.support.worker import Attempt, FakeWorker, StepFailed
from tests.support.callers import EDITOR, as_caller

pytestmark = pytest.mark.usefixtures("large_steps")
Run = run_pb2.Run


async def test_a_large_output_of_a_stale_attempt_is_refused(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "only"})
    refusals: list[Any] = []

    async def late(attempt: Attempt) -> Any:
        stale = worker_pb2.AttemptRef()
        stale.CopyFrom(attempt.ref)
        stale.epoch -= 1
        refusals.append(await refused(attempt.worker.upload(stale, b"[]")))
        return 1

    worker.code["only"] = late
    run = await engine.ended((await engine.start_run()).id)

    assert run.status == Run.SUCCESS
    assert [(one.code, one.reason) for one in refusals] == [("ABORTED", "STALE_EPOCH")]


async def test_an_output_over_the_limit_is_refused_while_it_comes(
    engines: Engines, peers: Peers, worker: FakeWorker, tmp_path: Path
) -> None:
    small = await engines.start(max_output_mib=1)
    await worker.close()
    peers.registry.workflow({"id": "only"})
    refusals: list[Any] = []

    async def huge(attempt: Attempt) -> Any:
        refusals.append(await refused(attempt.worker.upload(attempt.ref, bytes(1_200_000))))
        raise StepFailed("INVALID_OUTPUT", refusals[0].message)

    async with FakeWorker(small.address) as connected:
        connected.code["only"] = huge
        assert connected.welcome is not None
        limit = connected.welcome.max_output_bytes
        await small.ended((await small.start_run()).id)

    assert limit == 1024 * 1024
    assert refusals[0].reason == "ARTIFACT_INVALID"
    assert files_in(tmp_path / "artifacts") == []


@pytest.mark.usefixtures("brief_lease")
async def test_what_a_worker_stored_before_it_died_is_replaced_and_swept(
    engine: Engine, peers: Peers, worker: FakeWorker, tmp_path: Path
) -> None:
    peers.registry.workflow({"id": "only"}, outputs={"made": "${{ steps.only.output }}"})
    stored: list[str] = []

    async def die(attempt: Attempt) -> Any:
        stored.append((await attempt.worker.upload(attempt.ref, b"[" + b"1," * 200_000 + b"1]")).sha256)
        attempt.worker.deaf = True
        await attempt.hang()

    worker.code["only"] = die
    run = await engine.start_run()
    async with FakeWorker(engine.address) as other:
        other.code["only"] = make_rows
        ended = await engine.ended(run.id, seconds=20)

    await sweep_all(engine, tmp_path)
    made = outputs(ended)["made"]
    assert ended.status == Run.SUCCESS
    assert (await engine.steps(run.id))["only"].attempt == 2
    assert stored != [made["sha256"]]
    assert [path.name for path in files_in(tmp_path / "artifacts")] == [made["sha256"]]


async def test_the_large_output_of_an_attempt_that_failed_is_forgotten(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    retry = {"max_attempts": 2, "backoff": {"nanos": 1_000_000}}
    peers.registry.workflow({"id": "only", "retry": retry})

    async def second_time(attempt: Attempt) -> Any:
        if attempt.number == 1:
            await attempt.worker.upload(attempt.ref, b"[]")
            raise StepFailed
        return 1

    worker.code["only"] = second_time
    run = await engine.ended((await engine.start_run()).id)

    request = engine_pb2.ListArtifactsRequest(run_id=run.id)
    assert run.status == Run.SUCCESS
    assert not (await engine.stub.ListArtifacts(request, metadata=as_caller(EDITOR))).artifacts


async def test_a_rerun_and_a_cache_hit_have_artifacts_of_their_own_which_keep_the_content(
    engine: Engine, peers: Peers, worker: FakeWorker, tmp_path: Path
) -> None:
    def step(name: str) -> dict[str, Any]:
        return {"id": name, "cache": {"ttl": {"seconds": 3600}}, "component": component}

    component = peers.registry.component("make")
    peers.registry.workflow(
        step("make"),
        {"id": "use", "needs": ["make"], "with_": {"all": "${{ steps.make.output }}"}},
        outputs={"made": "${{ steps.make.output }}"},
    )
    first = await engine.ended((await engine.start_run()).id)
    rerun = engine_pb2.RerunRunRequest(run_id=first.id, from_steps=["use"])
    again = (await engine.stub.RerunRun(rerun, metadata=as_caller(EDITOR))).run
    repeated = await engine.ended(again.id)
    cached = await engine.ended((await engine.start_run()).id)

    shown = [outputs(one)["made"] for one in (first, repeated, cached)]
    assert len({one["$artifact"] for one in shown}) == 3
    assert len({one["sha256"] for one in shown}) == 1
    assert (await engine.steps(repeated.id))["make"].copied_from == first.id
    assert (await engine.steps(cached.id))["make"].status == run_pb2.StepExecution.CACHED
    assert sum(one.ref.step_id == "make" for one in worker.assignments) == 1
    async with engine.built.db.begin(idempotent=False, audited=False) as tx:
        await tx.execute(_sql("DELETE FROM artifacts WHERE run_id = CAST(:id AS uuid)", id=first.id))
    await sweep_all(engine, tmp_path)
    assert (await read(engine, shown[2]["$artifact"]))[1] == shown[2]["sizeBytes"]


async def test_a_content_that_may_be_reused_is_kept_and_goes_when_it_may_not(
    engine: Engine, peers: Peers, tmp_path: Path
) -> None:
    peers.registry.workflow({"id": "make", "cache": {"ttl": {"seconds": 3600}}})
    await engine.ended((await engine.start_run()).id)
    kept = files_in(tmp_path / "artifacts")

    async with engine.built.db.begin(idempotent=False, audited=False) as tx:
        await tx.execute(_sql("DELETE FROM artifacts"))
    await sweep_all(engine, tmp_path)
    still = files_in(tmp_path / "artifacts")
    async with engine.built.db.begin(idempotent=False, audited=False) as tx:
        await tx.execute(_sql("DELETE FROM step_cache"))
    await sweep_all(engine, tmp_path)

    assert len(kept) == 1
    assert still == kept
    assert files_in(tmp_path / "artifacts") == []


def _sql(statement: str, **values: Any) -> Any:
    return text(statement).bindparams(**values)


async def sweep_all(engine: Engine, folder: Path) -> None:
    """As if hours had passed."""
    sweep = Sweep(engine.built.db, Folder(folder / "artifacts"))
    for path in files_in(folder / "artifacts"):
        grow_old(path)
    for _ in range(3):
        await sweep.round()
