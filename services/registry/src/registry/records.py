"""What others have on record: the engine the runs of workflows, audit what was done to things."""

import asyncio
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from chassis import jsonvalue
from chassis.context import use
from chassis.errors import DeadlineExceeded, Denied, Unavailable
from mcpanel.audit.v1 import audit_pb2, audit_pb2_grpc
from mcpanel.engine.v1 import engine_pb2, engine_pb2_grpc, run_pb2
from registry.domain.content import WorkflowPin
from registry.domain.histories import Change

_SECONDS: Final = 5.0
_FILTER_LENGTH: Final = 1000
_MOST_CALLS: Final = 8
"""How many filters the engine is asked with at most; the newest versions of workflows come first."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A run of a version of a workflow."""

    id: str
    status: str
    workflow: WorkflowPin
    workflow_name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs that were found; `unavailable` says why nobody could be asked, `more` whether there are others."""

    runs: tuple[Ran, ...] = ()
    unavailable: str = ""
    more: bool = False


class Engine:
    """Finds runs on behalf of the current caller, who sees what they may see."""

    def __init__(self, stub: "engine_pb2_grpc.EngineServiceAsyncStub") -> None:
        self._stub = stub

    async def runs_of(self, workflows: Sequence[WorkflowPin], limit: int) -> Runs:
        """The newest runs of these versions of workflows; the answer tells when nobody could be asked."""
        filters = list(_filters(workflows))
        asked = [
            self._stub.ListRuns(engine_pb2.ListRunsRequest(page_size=limit, filter=one), timeout=_SECONDS)
            for one in filters[:_MOST_CALLS]
        ]
        try:
            answers = await asyncio.gather(*asked)
        except (Unavailable, DeadlineExceeded):
            return Runs(unavailable="the engine does not answer; ask again for the runs")
        except Denied as error:
            return Runs(unavailable=f"the engine does not tell you about runs: {error.message}")
        found = sorted(
            (_ran(run) for answer in answers for run in answer.runs), key=lambda one: one.id, reverse=True
        )
        more = len(filters) > _MOST_CALLS or any(answer.next_page_token for answer in answers)
        return Runs(tuple(found[:limit]), more=more or len(found) > limit)


def _filters(workflows: Iterable[WorkflowPin]) -> Iterator[str]:
    """Filters for the runs of these, none longer than the engine takes."""
    parts: list[str] = []
    for pin in workflows:
        part = f'(workflow_id = "{pin.workflow_id}" AND workflow_version = {pin.version})'
        if parts and len(" OR ".join([*parts, part])) > _FILTER_LENGTH:
            yield " OR ".join(parts)
            parts = []
        parts.append(part)
    if parts:
        yield " OR ".join(parts)


def _ran(run: run_pb2.Run) -> Ran:
    pin = WorkflowPin(run.workflow_id, run.workflow_version)
    return Ran(
        run.id, run_pb2.Run.Status.Name(run.status), pin, run.workflow_name, run.created_at.ToDatetime(UTC)
    )


class ActionLog:
    """Reads the action log on the registry's own behalf: what may be shown to whom is decided here."""

    def __init__(self, stub: "audit_pb2_grpc.AuditServiceAsyncStub") -> None:
        self._stub = stub

    async def changes(
        self, ids: Collection[str], size: int, before: int | None, without: Collection[str] = ()
    ) -> tuple[list[Change], bool]:
        """What was done to the things of these ids, newest first, at most `size`, and whether there is more.

        `before` is the place in the log that the page begins below; actions in `without` are left out. Raises
        Unavailable naming audit when it does not answer.
        """
        conditions = [
            'service = "registry"',
            'outcome = "OK"',
            _one_of("entity_type", ("definition", "version", "workflow")),
        ]
        conditions += [f'action != "{action}"' for action in without]
        conditions += [f"index < {before}"] if before is not None else []
        request = audit_pb2.ListActionLogsRequest(
            page_size=size, filter=" AND ".join(conditions), entity_ids=sorted(ids)
        )
        with use(None):
            answer = await self._stub.ListActionLogs(request, timeout=_SECONDS)
        return [_change(one) for one in answer.action_logs], bool(answer.next_page_token)


def _one_of(name: str, values: Iterable[str]) -> str:
    return "(" + " OR ".join(f'{name} = "{value}"' for value in values) + ")"


def _change(entry: audit_pb2.ActionLog) -> Change:
    actor = entry.actor
    details = jsonvalue.from_struct(entry.details)
    old, new = details.pop("old", None), details.pop("new", None)
    return Change(
        id=entry.id,
        index=entry.index,
        time=entry.time.ToDatetime(UTC),
        action=entry.action,
        actor_id=actor.on_behalf_of_id or actor.id,
        actor_name=actor.on_behalf_of_name or actor.name,
        actor_kind=actor.kind,
        entity=(entry.entity_type, entry.entity_id),
        old=old if isinstance(old, dict) else None,
        new=new if isinstance(new, dict) else None,
        details=details,
    )
