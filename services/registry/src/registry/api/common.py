"""What all of the registry's RPCs share."""

from chassis import access, filtering, paging
from chassis.access import Subject
from chassis.context import current
from chassis.database import Database
from chassis.shares import Sharing
from mcpanel.registry.v1 import registry_pb2 as pb
from registry.domain.common import search_words
from registry.inspection import Inspector
from registry.lenders import Lenders
from registry.links import Linked, People
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
    ) -> None:
        self.db = db
        self.sharing = sharing
        self.linked = linked
        self.people = people
        self.inspector = inspector
        self.lenders = Lenders(db, people, linked)


def wanted_of(
    request: pb.ListDefinitionsRequest | pb.ListWorkflowsRequest,
    page: paging.Page,
    types: tuple[str, ...] = (),
) -> Wanted:
    """What a list's request asks for."""
    return Wanted(
        limit=page.limit,
        after=page.after,
        orders=orders(request.order_by),
        filter=filtering.parse(request.filter),
        words=search_words(request.query),
        types=types,
    )
