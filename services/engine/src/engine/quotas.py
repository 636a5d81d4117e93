"""How many runs one user may have. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from chassis.errors import Exhausted

WINDOW: Final = timedelta(hours=1)
_SOON: Final = timedelta(seconds=5)
"""When to ask again for what nobody knows the end of."""


@dataclass(frozen=True, slots=True)
class Quota:
    """What every user may have; 0: as many as they like."""

    active: int = 0
    """Runs that have not ended, at once."""
    hourly: int = 0
    """Runs that are started within an hour."""

    @property
    def is_set(self) -> bool:
        """Whether there is one."""
        return self.active > 0 or self.hourly > 0

    def check_active(self, user_id: str, active: int) -> None:
        """Raises Exhausted RUN_QUOTA_EXCEEDED when the user has as many runs as may be."""
        if 0 < self.active <= active:
            text = f"{self.active} runs at once"
            raise _exceeded(user_id, text, f"{active} have not ended; wait for one, or cancel one", _SOON)

    def check_hourly(self, user_id: str, first: datetime | None, now: datetime) -> None:
        """Raises Exhausted RUN_QUOTA_EXCEEDED while `first`, of as many runs as may be, is not an hour old."""
        if first is not None and first + WINDOW > now:
            text = f"{self.hourly} runs started within an hour"
            until = first + WINDOW
            raise _exceeded(user_id, text, f"the next may start at {until:%H:%M:%S} UTC", until - now)


def _exceeded(user_id: str, text: str, why: str, retry_after: timedelta) -> Exhausted:
    return Exhausted(
        "RUN_QUOTA_EXCEEDED",
        f"a user may have {text}, and you have; {why}",
        quota={f"user/{user_id}": text},
        retry_after=retry_after,
    )
