"""The database's tables are those of the code."""

from chassis import migrations
from tests.support.servers import TestPostgres


def test_the_migrated_database_has_the_tables_of_the_code(postgres: TestPostgres) -> None:
    url = postgres.create_database("datasources", migrate="datasources")

    migrations.check(url, "datasources")


def test_the_migrations_can_be_taken_back(postgres: TestPostgres) -> None:
    url = postgres.create_database("datasources", migrate="datasources")

    migrations.downgrade(url, "datasources", "base")

    assert migrations.current(url) is None
    assert migrations.upgrade(url, "datasources")
