"""Run by Alembic for every command."""

from chassis import migrations
from identity.tables import metadata

migrations.run(metadata)
