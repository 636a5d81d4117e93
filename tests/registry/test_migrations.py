"""The database's revisions."""

from chassis import migrations
from tests.support.servers import TestPostgres


def test_the_tables_are_those_that_the_migrations_make(postgres: TestPostgres) -> None:
    migrations.check(postgres.create_database("registry", migrate="registry"), "registry")


def test_the_revisions_can_be_taken_back_and_made_again(postgres: TestPostgres) -> None:
    url = postgres.create_database("registry", migrate="registry")

    migrations.downgrade(url, "registry", "base")
    made = migrations.upgrade(url, "registry")

    assert made
    assert migrations.current(url) == migrations.head("registry")
