"""The records of stored files."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Text, cast, literal, select
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Transaction
from chassis.errors import NotFound
from engine.domain import Payload, Ref
from engine.records import ArtifactRecord
from engine.store.runs import Reader
from engine.tables import artifacts, run_steps, runs, step_cache


async def is_current(tx: Transaction, ref: Ref, worker_id: str | None = None) -> bool:
    """Whether `ref` is the step's running attempt."""
    query = select(run_steps.c.worker_id).where(*current(ref))
    found = await tx.scalar(query)
    return found is not None and worker_id in (None, found)


async def put(tx: Transaction, ref: Ref, record: ArtifactRecord) -> ArtifactRecord | None:
    """Stores the record if `ref` is the step's running attempt still; None if it is not.

    A file of the same name in the same step is replaced, and keeps its id.
    """
    fence = select(run_steps.c.run_id).where(*current(ref)).with_for_update(read=True).cte("fence")
    columns = (
        "id",
        "run_id",
        "step_id",
        "attempt",
        "name",
        "media_type",
        "size_bytes",
        "sha256",
        "created_at",
        "preview",
        "items",
        "kinds",
    )
    values = select(
        *(literal(getattr(record, name), artifacts.c[name].type) for name in columns)
    ).select_from(fence)
    statement = insert(artifacts).from_select(list(columns), values)
    changed = {
        name: statement.excluded[name] for name in columns if name not in ("id", "run_id", "step_id", "name")
    }
    statement = statement.on_conflict_do_update(
        index_elements=[artifacts.c.run_id, artifacts.c.step_id, artifacts.c.name], set_=changed
    )
    row = (await tx.execute(statement.returning(artifacts))).one_or_none()
    return None if row is None else ArtifactRecord(**row._mapping)


async def in_use(tx: Transaction, contents: Sequence[str]) -> set[str]:
    """Those of the contents, by their SHA-256, that some artifact has, or an output that may be used again."""
    query = select(artifacts.c.sha256).where(artifacts.c.sha256.in_(contents)).distinct()
    wanted = list(contents)
    reusable = select(step_cache.c.contents).where(step_cache.c.contents.op("&&")(cast(wanted, ARRAY(Text))))
    found = set((await tx.execute(query)).scalars())
    for row in (await tx.execute(reusable)).scalars():
        found.update(one for one in row if one in wanted)
    return found


async def output(tx: Transaction, artifact_id: str, ref: Ref) -> ArtifactRecord | None:
    """The artifact that an attempt made of its output, if it is that."""
    query = select(artifacts).where(
        artifacts.c.id == artifact_id,
        artifacts.c.run_id == ref.run_id,
        artifacts.c.step_id == ref.step_id,
        artifacts.c.attempt == ref.attempt,
        artifacts.c.name.startswith("$"),
    )
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else ArtifactRecord(**row._mapping)


async def inputs_of(tx: Transaction, ref: Ref) -> Payload | None:
    """The inputs of the attempt, if it is the step's running one."""
    row = (await tx.execute(select(run_steps.c.inputs).where(*current(ref)))).one_or_none()
    return None if row is None else Payload(row.inputs or b"{}")


async def of_run(tx: Transaction, run_id: str, artifact_id: str) -> ArtifactRecord:
    """The record of a run's artifact. Raises NotFound ARTIFACT_NOT_FOUND."""
    query = select(artifacts).where(artifacts.c.id == artifact_id, artifacts.c.run_id == run_id)
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        raise NotFound(
            "ARTIFACT_NOT_FOUND",
            f"the run has no artifact '{artifact_id}'",
            resource=("artifact", artifact_id),
        )
    return ArtifactRecord(**row._mapping)


async def ids(tx: Transaction, run_id: str, contents: Collection[str]) -> dict[str, str]:
    """The ids of the run's artifacts that have these contents."""
    if not contents:
        return {}
    query = select(artifacts.c.sha256, artifacts.c.id).where(
        artifacts.c.run_id == run_id, artifacts.c.sha256.in_(contents)
    )
    return {row.sha256: row.id for row in await tx.execute(query)}


async def get(tx: Transaction, artifact_id: str, reader: Reader) -> ArtifactRecord:
    """The record. Raises NotFound ARTIFACT_NOT_FOUND."""
    query = select(artifacts).join(runs, runs.c.id == artifacts.c.run_id)
    row = (await tx.execute(query.where(artifacts.c.id == artifact_id, reader.sees()))).one_or_none()
    if row is None:
        raise NotFound(
            "ARTIFACT_NOT_FOUND",
            f"artifact '{artifact_id}' does not exist",
            resource=("artifact", artifact_id),
        )
    return ArtifactRecord(**row._mapping)


async def page_after(
    tx: Transaction, run_id: str, after: Sequence[Any] | None, limit: int
) -> list[ArtifactRecord]:
    """At most `limit` of the run's artifacts, oldest first, after the one with the id `after`."""
    query = select(artifacts).where(artifacts.c.run_id == run_id)
    if after is not None:
        query = query.where(artifacts.c.id > after[0])
    return [
        ArtifactRecord(**row._mapping)
        for row in await tx.execute(query.order_by(artifacts.c.id).limit(limit))
    ]


def current(ref: Ref) -> tuple[ColumnElement[bool], ...]:
    """The conditions for a row of `run_steps` to be the running attempt."""
    return (
        run_steps.c.run_id == ref.run_id,
        run_steps.c.step_id == ref.step_id,
        run_steps.c.attempt == ref.attempt,
        run_steps.c.epoch == ref.epoch,
        run_steps.c.status == "RUNNING",
    )
