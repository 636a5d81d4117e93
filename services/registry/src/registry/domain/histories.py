"""The history of a definition or a workflow: what was done to it, as the action log has it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from chassis.jsonvalue import Json

SHARING: Final = ("TEMPLATE_SHARED", "TEMPLATE_SHARE_REVOKED")
"""What is told to those only who may share the thing themselves."""
NO_CHANGES: Final = ("MCP_STARRED", "MCP_UNSTARRED")
"""What is on record and changes nothing of the thing: who likes it is nobody else's business."""
MOST_ENTITIES: Final = 1000
"""About how many things the log is asked at once: a definition and its newest versions."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change, and its place in the log."""

    id: str
    index: int
    time: datetime
    action: str
    actor_id: str
    actor_name: str
    actor_kind: str
    entity: tuple[str, str]
    """What was changed: its type and id."""
    old: Mapping[str, Json] | None
    new: Mapping[str, Json] | None
    details: Mapping[str, Json]

    @property
    def changed(self) -> tuple[str, ...]:
        """The fields that differ; none unless it was there before and is after."""
        if self.old is None or self.new is None:
            return ()
        names = self.old.keys() | self.new.keys()
        return tuple(sorted(name for name in names if self.old.get(name) != self.new.get(name)))
