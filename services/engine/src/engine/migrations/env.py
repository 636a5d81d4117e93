"""Runs the revisions on the connection that `chassis.migrations` opened."""

from chassis import migrations
from engine.tables import metadata

migrations.run(metadata)
