"""What all of the registry's RPCs share."""

from typing import Any

from google.protobuf.message import Message

from chassis import access, filtering, paging
from chassis.access import Subject
from chassis.context import current
from chassis.database import Database
from chassis.shares import Sharing
from mcpanel.registry.v1 import registry_pb2 as pb
from registry import kinds
from registry.domain.common import search_words
from registry.inspection import Inspector
from registry.lenders import Lenders
from registry.links import Linked, People
from registry.records import ActionLog, Engine
from registry.store.lookup import Wanted, orders


def viewer() -> Subject:
    """Whose rights count."""
    return access.subject(current())


class Base:
    """What the RPCs work with."""

    def __init__(
        self,
        db: Database,
        linked: Linked,
        people: People,
        inspector: Inspector,
        *,
        sharing: Sharing,
        engine: Engine,
        log: ActionLog,
    ) -> None:
        self.db = db
        self.engine = engine
        self.log = log
        self.sharing = sharing
        self.linked = linked
        self.people = people
        self.inspector = inspector
        self.lenders = Lenders(db, people, linked)


def wanted_of(
    request: pb.ListDefinitionsRequest | pb.ListWorkflowsRequest,
    page: paging.Page,
    *sortable: str,
    **more: Any,
) -> Wanted:
    """What a list's request asks for; by `sortable` it can be ordered too, and `more` is what only one of the lists
    knows. Raises Invalid.
    """
    visibility = [request.visibility] if request.visibility else []
    asked: dict[str, Any] = {
        "limit": page.limit,
        "after": page.after,
        "orders": orders(request.order_by, *sortable),
        "filter": filtering.parse(request.filter),
        "words": search_words(request.query),
        "tags": tuple(request.tags),
        "visibilities": kinds.named(visibility, "visibility", kinds.VISIBILITIES, "visibility"),
        "owner_id": viewer().id if request.owner == "me" else request.owner,
    }
    return Wanted(**asked | more)


def bound(request: Message) -> tuple[str, ...]:
    """What a page token belongs to: all that a list's request asks for but the page, and who asks."""
    asked = type(request)()
    asked.CopyFrom(request)
    for name in ("page_size", "page_token"):
        asked.ClearField(name)
    return (asked.SerializeToString(deterministic=True).hex(), viewer().id)
