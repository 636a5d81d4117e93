"""The test run's own PostgreSQL and NATS: the real servers, on free ports, in temporary folders."""

import itertools
from pathlib import Path

from psycopg import sql

from chassis import migrations
from stack.nats import Nats
from stack.ports import free_port
from stack.postgres import SERVICES, Postgres, Role


class TestPostgres:
    """A PostgreSQL. `server` stops, starts and kills it; `create_database` gives fresh databases."""

    __test__ = False

    def __init__(self, home: Path) -> None:
        self.server = Postgres(home, free_port(), durable=False)
        self._numbers = itertools.count(1)
        self._templates: dict[str, str] = {}

    def start(self) -> None:
        self.server.start()
        self.server.ensure([Role(name) for name in SERVICES] + [Role("test")])

    def create_database(self, name: str = "test", migrate: str | None = None) -> str:
        """A fresh database's URL, with a role that owns it and nothing else.

        `name` begins the database's name; `migrate` names the service whose migrations it has. Every service
        is migrated once a session, into a template that each database is copied from.
        """
        template = self._template(migrate) if migrate else None
        database, role = f"{name}_{next(self._numbers)}", migrate or "test"
        self._create(database, role, template)
        return self.server.url(role, database)

    def drop_database(self, url: str) -> None:
        """Drop a database that `create_database` gave, whoever is still connected."""
        with self.server.connect() as connection:
            name = sql.Identifier(url.rpartition("/")[2])
            connection.execute(sql.SQL("drop database {} with (force)").format(name))

    def _template(self, service: str) -> str:
        if service not in self._templates:
            name = f"template_{service}"
            self._create(name, service, None)
            migrations.upgrade(self.server.url(service, name), service)
            self._templates[service] = name
        return self._templates[service]

    def _create(self, database: str, owner: str, template: str | None) -> None:
        # Without fsync a copy of the files is several times faster than a copy through the WAL.
        statement = sql.SQL("create database {} owner {} template {} strategy file_copy").format(
            sql.Identifier(database), sql.Identifier(owner), sql.Identifier(template or "template1")
        )
        with self.server.connect() as connection:
            connection.execute(statement)
            connection.execute(
                sql.SQL("revoke all on database {} from public").format(sql.Identifier(database))
            )


def start_postgres(home: Path) -> TestPostgres:
    """A running PostgreSQL in `home`, with one role a service."""
    postgres = TestPostgres(home)
    postgres.start()
    return postgres


def start_nats(home: Path) -> Nats:
    """A running NATS in `home`."""
    nats = Nats(home, free_port())
    nats.start()
    return nats
