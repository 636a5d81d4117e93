"""Alembic's entry: the audit service's tables."""

from audit.tables import metadata
from chassis import migrations

migrations.run(metadata)
