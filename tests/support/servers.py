"""The test run's own PostgreSQL and NATS: the real servers, on free ports, in temporary folders."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql

from chassis import migrations
from stack.nats import Nats
from stack.ports import free_port
from stack.postgres import SERVICES, Postgres, Role

_VERSION_TABLE: Final = "alembic_version"
_SHAPE: Final = """
    SELECT string_agg(concat_ws(' ', relname, relkind, relnatts, relchecks, relhastriggers), ',' ORDER BY relname),
        (SELECT string_agg(concat_ws(' ', tgname, tgenabled), ',' ORDER BY tgname) FROM pg_trigger)
    FROM pg_class WHERE relnamespace = 'public'::regnamespace
"""
_OTHERS: Final = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
_TABLES: Final = """
    SELECT relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
"""
_LARGE: Final = """
    SELECT relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND (relkind = 'p' OR pg_table_size(oid) > 131072)
"""
"""What is truncated: it makes files anew, which takes a file system longer than to delete the rows of a small table."""
_COUNTERS: Final = """
    SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)
    FROM pg_sequences WHERE last_value IS NOT NULL
"""


class TestPostgres:
    """A PostgreSQL. `server` stops, starts and kills it; `create_database` and `lend` give databases."""

    __test__ = False

    def __init__(self, home: Path) -> None:
        self.server = Postgres(home, free_port(), durable=False)
        self._numbers = itertools.count(1)
        self._templates: dict[str, str] = {}
        self._shapes: dict[str, Any] = {}
        self._free: dict[str, list[str]] = {}

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

    @contextmanager
    def lend(self, service: str) -> Iterator[str]:
        """The URL of a database with the service's migrations and no rows, for one test.

        It is emptied and lent again, for PostgreSQL takes longer to make one than most tests take; one whose schema was
        changed is dropped.
        """
        free = self._free.setdefault(service, [])
        url = free.pop() if free else self._new(service)
        yield url
        if self._emptied(url, service):
            free.append(url)
        else:
            self.drop_database(url)

    def _new(self, service: str) -> str:
        url = self.create_database(service, migrate=service)
        if service not in self._shapes:
            with self._inside(url) as connection:
                self._shapes[service] = connection.execute(_SHAPE).fetchone()
                seeded = _filled(connection) - {_VERSION_TABLE}
            assert not seeded, f"{service} could not be emptied: its migrations fill {seeded}"
        return url

    def _emptied(self, url: str, service: str) -> bool:
        """Deletes every row, whoever is still connected; False where that would not make it as good as new."""
        with self._inside(url) as connection:
            connection.execute(_OTHERS)
            connection.execute("set session_replication_role = replica")  # what is append-only, too
            if connection.execute(_SHAPE).fetchone() != self._shapes[service]:
                return False
            if filled := _filled(connection) - {_VERSION_TABLE}:
                large = filled.intersection(name for (name,) in connection.execute(_LARGE))
                orders = [
                    sql.SQL("delete from {}").format(sql.Identifier(name)) for name in sorted(filled - large)
                ]
                if large:
                    names = sql.SQL(", ").join(map(sql.Identifier, sorted(large)))
                    orders.append(sql.SQL("truncate {} cascade").format(names))
                connection.execute(sql.SQL("; ").join(orders))
            connection.execute(_COUNTERS)
        return True

    def _inside(self, url: str) -> "psycopg.Connection[Any]":
        database = url.rpartition("/")[2]
        return psycopg.connect(self.server.url("postgres", database), autocommit=True)

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


def _filled(connection: "psycopg.Connection[Any]") -> set[str]:
    """The tables that have rows."""
    tables = [name for (name,) in connection.execute(_TABLES)]
    each = sql.SQL(" union all ").join(
        sql.SQL("select {} where exists (select from {})").format(name, sql.Identifier(name))
        for name in tables
    )
    return {name for (name,) in connection.execute(each)}


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
