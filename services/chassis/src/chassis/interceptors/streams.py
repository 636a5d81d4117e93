"""What holds for a stream as long as it is open: how many a caller may have, and that its credential still counts."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from chassis.authentication import Authenticator
from chassis.context import Call
from chassis.errors import Exhausted, Unavailable
from chassis.interceptors.policy import allow
from chassis.rules import Rule

MOST: Final = 500
"""How many streams one caller may have open at one process."""
_LOOK_EVERY: Final = 4.0
"""Seconds between two looks at a credential; shorter than the promise that what is taken away is gone within five."""


class Streams:
    """The streams that are open at this process."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator
        self._open: Counter[str] = Counter()

    @contextmanager
    def opened(self, call: Call) -> Iterator["Standing"]:
        """A stream, while it is open. Those of INTERNAL methods are not counted. Raises Exhausted TOO_MANY_REQUESTS."""
        if call.rule.access == Rule.INTERNAL:  # workers': as many as there are
            yield Standing(call, self._authenticator)
            return
        caller = call.caller.effective.id
        if self._open[caller] >= MOST:
            raise Exhausted(
                "TOO_MANY_REQUESTS",
                f"{MOST} streams of yours are open here; close some, or watch many runs by one stream",
                retry_after=10,
                quota={"streams": f"{MOST} at once"},
            )
        self._open[caller] += 1
        try:
            yield Standing(call, self._authenticator)
        finally:
            self._open[caller] -= 1
            if not self._open[caller]:
                del self._open[caller]


class Standing:
    """Whether whoever opened a stream may still have it."""

    def __init__(self, call: Call, authenticator: Authenticator) -> None:
        self._call = call
        self._authenticator = authenticator
        self._looked = time.monotonic()

    async def check(self) -> None:
        """Asked before each message. That a token ran out meanwhile is no reason to end what it opened; that its
        session ended, its role or its key's was narrowed, or its key was revoked, is.

        Raises Unauthenticated CREDENTIALS_INVALID and Denied PERMISSION_MISSING.
        """
        now = time.monotonic()
        if now - self._looked < _LOOK_EVERY or not self._call.caller.credential:
            return
        self._looked = now
        try:
            self._call.caller = await self._authenticator.confirm(self._call.caller)
        except Unavailable:
            return  # while identity is away nobody can take anything away
        allow(self._call)
