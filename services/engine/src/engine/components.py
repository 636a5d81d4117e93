"""Component versions: immutable, so cached for ever, and stored so that no run needs the registry once accepted."""

from collections import OrderedDict
from typing import Final

from chassis.database import Database
from engine.store import versions as store
from mcpanel.registry.v1 import component_pb2

_MOST: Final = 2000


class Components:
    """The versions that runs use."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._known: OrderedDict[str, component_pb2.Version] = OrderedDict()

    def known(self, version_id: str) -> component_pb2.Version | None:
        """The version, if it is in memory; it is then in the database too, or about to be."""
        version = self._known.get(version_id)
        if version is not None:
            self._known.move_to_end(version_id)
        return version

    def put(self, version: component_pb2.Version) -> None:
        """Keeps a version."""
        self._known[version.id] = version
        while len(self._known) > _MOST:
            self._known.popitem(last=False)

    async def get(self, version_id: str) -> component_pb2.Version | None:
        """The version from memory or the database."""
        version = self.known(version_id)
        if version is None:
            async with self._db.read() as tx:
                body = await store.body(tx, version_id)
            if body is None:
                return None
            version = component_pb2.Version.FromString(body)
            self.put(version)
        return version
