"""The rules a servicer may not break, checked where they would be broken. Knows no driver, so that anyone may
import it.
"""

from contextvars import ContextVar
from typing import Protocol


class ReplayAnswer(Exception):  # not an error: the answer to a repeated request
    """The call was answered before; the pipeline sends `response`, the stored bytes."""

    def __init__(self, response: bytes) -> None:
        super().__init__("the request was answered before")
        self.response = response


class ContractBroken(Exception):  # a defect of the servicer, found before it commits
    """A servicer broke a rule of `begin()`; nothing was committed. Answered as INTERNAL and logged."""


class OpenTransaction(Protocol):
    """What is known here of a transaction."""

    open: bool
    wrote: bool


open_transaction: ContextVar[OpenTransaction | None] = ContextVar("open_transaction", default=None)


def refuse_open_transaction(doing: str) -> None:
    """Raises when a transaction of this task is open: none is held during a network call or a wait."""
    tx = open_transaction.get()
    if tx is not None and tx.open:
        raise ContractBroken(f"{doing} inside an open transaction")
