"""Alembic's entry: the revisions of this service's tables."""

from chassis import migrations
from datasources.tables import metadata

migrations.run(metadata)
