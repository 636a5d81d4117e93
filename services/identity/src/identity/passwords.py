"""Password hashes: Argon2id, made by a few threads so that a flood of logins cannot take the machine's memory."""

import asyncio
import secrets
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from chassis.errors import Exhausted

T = TypeVar("T")
_WAITING: Final = 64
"""How many hashes may be under way or waiting; more are refused."""


class Passwords:
    """Makes and checks password hashes. Close it at the end."""

    def __init__(self, *, memory_kib: int = 19 * 1024, passes: int = 2, threads: int = 2) -> None:
        """`memory_kib` and `passes` are Argon2id's cost; `threads` how many hashes are made at a time."""
        self._hasher = PasswordHasher(
            time_cost=passes, memory_cost=memory_kib, parallelism=1, hash_len=32, salt_len=16, type=Type.ID
        )
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._under_way = 0
        self._dummy = self._hasher.hash(secrets.token_urlsafe(32))

    async def hash(self, password: str) -> str:
        """The hash to store. Raises Exhausted TOO_MANY_REQUESTS when too many wait."""
        return await self._run(lambda: self._hasher.hash(_normal(password)))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether `stored` is the password's hash. Without one (no such user) the same work is done for nothing, so
        that the time taken says nothing about who exists."""
        matches = await self._run(lambda: self._matches(stored or self._dummy, password))
        return matches and stored is not None

    def is_dated(self, stored: str) -> bool:
        """Whether the hash was made with other costs than today's."""
        return self._hasher.check_needs_rehash(stored)

    async def close(self) -> None:
        """Ends the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, _normal(password))
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._under_way >= _WAITING:
            raise Exhausted(
                "TOO_MANY_REQUESTS", "too many passwords are being checked; try again", retry_after=1
            )
        self._under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._under_way -= 1


def _normal(password: str) -> str:
    """One form for what keyboards may send in several (NIST SP 800-63B §5.1.1.2)."""
    return unicodedata.normalize("NFKC", password)
