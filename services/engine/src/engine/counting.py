"""How many runs there are and how they went, out of counts in buckets of durations.

Bucket `n` holds the durations from 1.1^n to 1.1^(n+1) milliseconds, so that the middle of a bucket is at most 5 % off.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, NamedTuple

from engine.domain import RunStatus

BASE: Final = 1.1
"""How much longer the durations of a bucket are than those of the one before."""
NO_BUCKET: Final = -1
"""The bucket of runs whose duration does not count."""


class Count(NamedTuple):
    """So many runs of a workflow that are alike."""

    workflow_id: str
    status: str
    lately: bool
    """Whether this is about the window; every run that ended in it is counted in both."""
    bucket: int
    runs: int


@dataclass(slots=True)
class Summary:
    """How many runs there are, and how those went that ended lately."""

    statuses: Counter[str] = field(default_factory=Counter)
    ended: int = 0
    succeeded: int = 0
    durations: Counter[int] = field(default_factory=Counter)
    """By bucket: how many that succeeded lately took so long."""

    def add(self, one: Count) -> None:
        """Counts them in."""
        if not one.lately:
            self.statuses[one.status] += one.runs
            return
        self.ended += one.runs
        if one.status == RunStatus.SUCCESS:
            self.succeeded += one.runs
            self.durations[one.bucket] += one.runs

    @property
    def total(self) -> int:
        """How many runs there are."""
        return sum(self.statuses.values())

    def percentile(self, share: float) -> timedelta | None:
        """What that share of the durations is at most, by nearest rank; None when there are none."""
        rank = math.ceil(share * self.succeeded)
        for bucket in sorted(self.durations):
            rank -= self.durations[bucket]
            if rank <= 0:
                return timedelta(milliseconds=BASE ** (bucket + 0.5))
        return None


def summed(counts: Iterable[Count]) -> tuple[Summary, Mapping[str, Summary]]:
    """All together, and workflow by workflow; runs of no workflow only count in the former."""
    total, by_workflow = Summary(), dict[str, Summary]()
    for one in counts:
        total.add(one)
        if one.workflow_id:
            by_workflow.setdefault(one.workflow_id, Summary()).add(one)
    return total, by_workflow
