"""What the committer applies: events of runs, what attempts say, and runs that are to be."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from engine.dispatch.unit import Unit, Word
from engine.domain import Ref
from engine.effects import Rejected
from engine.state import Event
from engine.store import hot

_WEIGHS_AS_ONE: Final = 256
"""Bytes of what is said that take about as long to record as another line."""


@dataclass(slots=True)
class Transition:
    """An event for a run; `done` is told after the commit whether it was rejected."""

    run_id: str
    event: Event
    done: Callable[[Rejected | None], None] | None = None
    failures: int = 0
    overdue: Ref | None = None
    """The attempt whose lease has to be over still, when it is applied: a sign of life may come in between."""

    @property
    def weight(self) -> int:
        """How much there is to do for it, in lines."""
        return 1


@dataclass(slots=True)
class Utterance:
    """What a running attempt said, in order. `done` is told when it is recorded or refused."""

    run_id: str
    ref: Ref
    said: Sequence[Word]
    done: Callable[[], None] | None = None

    @property
    def weight(self) -> int:
        """How much there is to do for it, in lines."""
        return len(self.said) + sum(len(one.body) // _WEIGHS_AS_ONE for one in self.said)


Item: TypeAlias = Transition | Utterance
Make: TypeAlias = Callable[[datetime], tuple[Unit, Sequence[hot.Command]]]
"""Makes a new run at the given time, with what is to be written before it."""


@dataclass(slots=True, eq=False)
class Birth:
    """A run that is to be; `born` is told when it was committed."""

    make: Make
    born: asyncio.Future[Unit]
    unit: Unit | None = None

    def failed(self, error: BaseException) -> None:
        """It will not be."""
        if not self.born.done():
            self.born.set_exception(error)
