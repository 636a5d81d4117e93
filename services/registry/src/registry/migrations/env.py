"""Run by Alembic for every command."""

from chassis import migrations
from registry.tables import metadata

migrations.run(metadata)
