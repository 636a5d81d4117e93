"""Plans in memory, and the states of runs from the tables."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType

from engine import evaluate
from engine.plan import Plan
from engine.records import RunInfo
from engine.state import RunState
from engine.store import hot, loading


class PlanCache:
    """Every plan this process has met; plans never change."""

    def __init__(self) -> None:
        self._plans: dict[bytes, Plan] = {}
        self._stored: set[bytes] = set()

    def known(self, digest: bytes) -> Plan | None:
        """The plan, if this process has met it."""
        return self._plans.get(digest)

    def compiled(self, body: bytes, digest: bytes) -> Plan:
        """The plan of a document."""
        plan = self._plans.get(digest)
        if plan is None:
            plan = self._plans[digest] = evaluate.load(body, digest)
        return plan

    def is_stored(self, digest: bytes) -> bool:
        """Whether the plan is known to be in the database."""
        return digest in self._stored

    def stored(self, digest: bytes) -> None:
        """Notes that the plan was committed."""
        self._stored.add(digest)

    async def load(
        self,
        run: Callable[[Sequence[hot.Command]], Awaitable[list[hot.Rows]]],
        run_ids: Sequence[str],
        older: Mapping[str, tuple[int, RunState]] = MappingProxyType({}),
    ) -> dict[str, tuple[RunInfo, RunState]]:
        """The states of runs from the tables, by id; `run` sends commands to the database.

        Of runs known at an `older` version only what changed since is read.
        """
        versions = {run_id: version for run_id, (version, _) in older.items()}
        runs, *steps = await run(loading.load_sql(run_ids, versions))
        missing = loading.digests_in(runs) - self._plans.keys()
        if missing:
            for digest, body in (await run([loading.load_plans_sql(list(missing))]))[0]:
                self.compiled(body, digest)
                self.stored(digest)
        states = {run_id: state for run_id, (_, state) in older.items()}
        return loading.to_states(runs, [row for rows in steps for row in rows], self._plans, states)
