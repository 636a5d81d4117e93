"""Sends committed attempts to their workers, with everything they need."""

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta

from chassis.errors import ServiceError
from engine import failpoints
from engine.components import Components
from engine.dispatch.sessions import Session
from engine.dispatch.unit import Unit
from engine.domain import ErrorKind, Failure, Ref
from engine.effects import AttemptOpened
from engine.state import Failed
from engine.tokens import Tokens
from engine.wire import work

log = logging.getLogger(__name__)


class Assigner:
    """Sends assignments; at once where nothing is missing, else as soon as the component or the token is there."""

    def __init__(
        self, components: Components, tokens: Tokens, lease: timedelta, report: Callable[[Failed], None]
    ) -> None:
        self._components = components
        self._tokens = tokens
        self._lease = lease
        self._report = report
        self._tasks: set[asyncio.Task[None]] = set()

    def assign(self, session: Session, unit: Unit, opened: AttemptOpened) -> None:
        """Sends the attempt that the unit opened."""
        step = opened.planned
        known = step.version_id in session.components
        version = None if known else self._components.known(step.version_id)
        if (known or version is not None) and not step.needs_token:
            if version is not None:
                session.components.add(step.version_id)
                session.send(work.component(version))
            self._send(session, unit, opened, "")
            return
        task = asyncio.create_task(self._prepare(session, unit, opened))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _prepare(self, session: Session, unit: Unit, opened: AttemptOpened) -> None:
        step = opened.planned
        try:
            version = await self._components.get(step.version_id)
            if version is None:
                self._fail(unit, opened, f"the component version {step.version_id} is not stored")
                return
            token = await self._tokens.get(unit.info, unit.state.plan) if step.needs_token else ""
        except ServiceError as error:
            self._fail(
                unit,
                opened,
                f"the token of its data sources and secrets could not be obtained: {error.message}",
            )
            return
        except Exception:
            log.exception(
                "an assignment could not be prepared",
                extra={"run_id": unit.info.id, "step_id": opened.step_id},
            )
            self._fail(unit, opened, "the assignment could not be prepared")
            return
        if step.version_id not in session.components:
            session.components.add(step.version_id)
            session.send(work.component(version))
        self._send(session, unit, opened, token)

    def _send(self, session: Session, unit: Unit, opened: AttemptOpened, token: str) -> None:
        one = Ref(unit.info.id, opened.step_id, opened.attempt, opened.epoch)
        failpoints.reach("send.before")
        session.assign(
            one,
            work.assignment(
                unit.info,
                opened.planned,
                one,
                opened.inputs,
                token=token,
                lease_expires_at=unit.now + self._lease,
            ),
        )
        failpoints.reach("send.after")

    def _fail(self, unit: Unit, opened: AttemptOpened, why: str) -> None:
        one = Ref(unit.info.id, opened.step_id, opened.attempt, opened.epoch)
        self._report(Failed(one, Failure(ErrorKind.INTERNAL, why), began=False))
