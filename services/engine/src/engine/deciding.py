"""Who may decide about a step that waits for a decision. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Self

from chassis import contracts
from chassis.context import Caller

PERMISSION: Final = contracts.rules()["mcpanel.engine.v1.EngineService/ApproveStep"].permission
"""What it takes to decide at all."""


@dataclass(frozen=True, slots=True)
class Decider:
    """Somebody who might decide."""

    names: tuple[str, ...]
    """What an approver may be called who is this one: an id, an e-mail address, roles."""
    is_privileged: bool
    """Whether they may decide for those that a step names."""
    has_permission: bool

    @classmethod
    def of(cls, caller: Caller, *, is_privileged: bool) -> Self:
        """The caller; whoever it acts for, where it does."""
        one = caller.effective
        names = tuple(name for name in (one.id, one.name, *one.roles) if name)
        return cls(names, is_privileged, one.may(PERMISSION))

    def is_asked(self, approvers: Collection[str]) -> bool:
        """Whether theirs is among the decisions that are waited for; `approvers` empty: everyone's."""
        return not approvers or not set(approvers).isdisjoint(self.names)

    def may_decide(self, approvers: Collection[str]) -> bool:
        """Whether their decision counts."""
        return self.has_permission and (self.is_privileged or self.is_asked(approvers))
