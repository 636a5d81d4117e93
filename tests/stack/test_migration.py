"""`make migration` writes a revision that makes the database what the tables say."""

import importlib
from pathlib import Path

import pytest

from chassis import migrations
from stack.errors import StackError
from stack.migration import write
from tests.support.servers import TestPostgres

TABLES = """
from sqlalchemy import Column, Integer, MetaData, String, Table
from chassis.tables import NAMING
metadata = MetaData(naming_convention=NAMING)
sprockets = Table("sprockets", metadata, Column("id", Integer, primary_key=True){more})
"""
ENV = "from chassis import migrations\nfrom sprocketry.tables import metadata\nmigrations.run(metadata)\n"
FIRST = """
import sqlalchemy as sa
from alembic import op
from chassis import migrations
revision = "0001"
down_revision = None
def upgrade():
    migrations.create_chassis_tables(op)
    op.create_table("sprockets", sa.Column("id", sa.Integer, primary_key=True))
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A service package whose tables have a column more than its migrations make."""
    folder = tmp_path / "sprocketry"
    (folder / "migrations" / "versions").mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "tables.py").write_text(TABLES.format(more=', Column("icon", String(64))'))
    (folder / "migrations" / "env.py").write_text(ENV)
    (folder / "migrations" / "versions" / "0001_first.py").write_text(FIRST)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    return "sprocketry"


def test_the_written_revision_leaves_no_difference(postgres: TestPostgres, package: str) -> None:
    url = postgres.create_database()
    migrations.upgrade(url, package)

    path = migrations.revision(url, package, "Add icons, at last")

    assert path.name == "0002_add_icons_at_last.py"
    assert migrations.upgrade(url, package)
    migrations.check(url, package)
    with pytest.raises(migrations.RevisionError, match="nothing to write"):
        migrations.revision(url, package, "again")


def test_an_unknown_service_is_named_with_those_there_are() -> None:
    with pytest.raises(StackError, match="SERVICE=<one of registry, engine"):
        write("regsitry", "add icons")
