"""What a rerun takes over from the run it repeats."""

from typing import Final

from sqlalchemy import select

from chassis.database import Transaction
from engine.domain import Payload
from engine.reruns import Outcome
from engine.tables import run_steps

_MOST: Final = 200_000


async def outcomes(tx: Transaction, run_id: str) -> dict[str, Outcome]:
    """The run's steps that succeeded, by path."""
    columns = (run_steps.c.step_id, run_steps.c.inputs, run_steps.c.output)
    succeeded = run_steps.c.status.in_(["SUCCESS", "CACHED"])
    query = select(*columns).where(run_steps.c.run_id == run_id, succeeded, run_steps.c.output.is_not(None))
    return {
        row.step_id: Outcome(Payload(row.inputs or b"{}"), Payload(row.output))
        for row in await tx.execute(query.limit(_MOST))
    }
