"""PostgreSQL: connecting to one judged address, and trying a connection out."""

import os
import ssl
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import pq

from chassis import connecting
from chassis.addresses import Target
from datasources.connectors import failures, values, valve
from datasources.connectors.valve import Valve
from datasources.domain import DataSource, TlsMode

ANSWER_BYTES: Final = 4 * 1024 * 1024
"""The most bytes that a server may answer with at once: for one row, or instead of rows."""
CONNECT_SECONDS: Final = 10
_SETTINGS: Final = {
    "standard_conforming_strings": "on",
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "iso_8601",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "default_transaction_read_only": "on",
    "idle_in_transaction_session_timeout": "0",
    "lock_timeout": "10s",
    "client_min_messages": "error",
}
"""What every transaction sets for itself (SET LOCAL), so that a pooler between us and the server changes nothing."""
_CONTEXT: Final = values.context()


@dataclass(slots=True)
class Session:
    """An open connection, and the type names it has learnt: (type's oid, modifier) to name."""

    connection: psycopg.AsyncConnection[Any]
    valve: Valve
    type_names: dict[tuple[int, int], str] = field(default_factory=dict)

    @property
    def is_idle(self) -> bool:
        """Whether it can serve another query: open, and in no transaction."""
        return (
            not self.connection.closed
            and self.connection.info.transaction_status == pq.TransactionStatus.IDLE
        )

    async def begin(self, timeout_ms: int) -> None:
        """Begins a READ ONLY transaction whose first query has been run: nothing can make it READ WRITE any more."""
        await self._begin("READ ONLY", _SETTINGS | {"statement_timeout": str(timeout_ms)})

    async def begin_writing(self, timeout_ms: int) -> None:
        """Begins a READ WRITE transaction, for the statements of `connectors.writing` and no others."""
        own = {"statement_timeout": str(timeout_ms), "default_transaction_read_only": "off"}
        await self._begin("READ WRITE", _SETTINGS | own)

    async def _begin(self, mode: str, settings: Mapping[str, str]) -> None:
        self.valve.allow(ANSWER_BYTES)
        calls = ", ".join(
            f"pg_catalog.set_config('{name}', '{value}', true)" for name, value in settings.items()
        )
        await self.connection.execute(f"BEGIN ISOLATION LEVEL READ COMMITTED {mode}; SELECT {calls}".encode())

    async def reset(self) -> None:
        """Undoes whatever the last query left in the session."""
        self.valve.allow(ANSWER_BYTES)
        await self.connection.rollback()
        await self.connection.execute("DISCARD ALL")

    async def cancel(self) -> None:
        """Tells the server, over a connection of its own, to end what it executes. One that is away is let be.

        The session is not to be used for anything else afterwards: this may come late.
        """
        if self.connection.info.transaction_status == pq.TransactionStatus.ACTIVE:
            with suppress(psycopg.Error):
                await self.connection.cancel_safe(timeout=3)

    async def close(self) -> None:
        """Cancels what still runs on the server, and closes."""
        await self.cancel()
        await self.connection.close()
        await self.valve.close()


@dataclass(frozen=True, slots=True)
class Tried:
    """What a connection test found."""

    server_version: str
    warnings: tuple[str, ...]


async def connect(source: DataSource, target: Target, secret: str, roots: Path | None) -> Session:
    """A session with the data source at `target`'s very address; `roots` are authorities' certificates (PEM).

    Raises Precondition CONNECTION_FAILED in neutral words.
    """
    if source.tls_mode == TlsMode.DISABLED and not target.is_loopback:
        raise failures.connection_failed("without TLS only loopback addresses are connected to")
    verified = source.tls_mode == TlsMode.REQUIRE_VERIFIED
    options: dict[str, Any] = {
        "host": target.host,
        "hostaddr": target.address,
        "port": source.port,
        "dbname": source.database,
        "user": source.username,
        "password": secret or None,
        "passfile": os.devnull,
        "sslmode": {"DISABLED": "disable", "PREFER": "prefer"}.get(source.tls_mode, "verify-full"),
        "sslcertmode": "disable",
        "gssencmode": "disable",
        # A server that is not proved to be the right one does not get the password itself.
        "require_auth": "!gss,!sspi" if verified else "!password,!gss,!sspi",
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "mcpanel",
        "client_encoding": "UTF8",
        "target_session_attrs": "any",
        "keepalives_idle": 15,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
    }
    if verified:
        options["sslrootcert"] = str(roots or system_roots() or "system")
    try:
        connection = await connecting.connect(
            # The names come from the data source; a conninfo string never does.
            "",
            autocommit=True,
            prepare_threshold=None,
            context=_CONTEXT,
            **options,
        )
    except (psycopg.Error, OSError) as error:
        raise failures.connection_failed(failures.connecting(error)) from error
    try:
        return Session(connection, await valve.insert(connection.pgconn.socket, ANSWER_BYTES))
    except BaseException:
        await connection.close()
        raise


def system_roots() -> Path | None:
    """The system's file of trusted authorities, or None."""
    paths = ssl.get_default_verify_paths()
    for name in (paths.cafile, paths.openssl_cafile, "/etc/ssl/certs/ca-certificates.crt"):
        if name and Path(name).is_file():
            return Path(name)
    return None


def forget_client_settings(environ: MutableMapping[str, str]) -> None:
    """Removes libpq's own variables (`PGSERVICE`, `PGPASSWORD`, …): a data source says everything itself."""
    for name in [name for name in environ if name.startswith("PG")]:
        del environ[name]


async def try_out(session: Session, target: Target, *, allow_writes: bool) -> Tried:
    """The server's version, and what is unsafe about the login or the way. In the session's transaction."""
    connection = session.connection
    version = connection.info.parameter_status("server_version") or ""
    row = await (await connection.execute(_RIGHTS)).fetchone()
    superuser, attributes, roles, creates, writes = row or (False, False, [], False, False)
    warnings = []
    if superuser:
        warnings.append(
            "the login is a superuser: it can read and change everything; use one that may only read"
        )
    if attributes:
        warnings.append("the login may create roles or databases, replicate, or bypass row security")
    if roles:
        warnings.append(f"the login is a member of {', '.join(roles)}")
    if allow_writes and not writes:
        warnings.append("writing is allowed, but the login may not change data: grant it INSERT and DELETE")
    if writes and not allow_writes:
        warnings.append(
            "the login may change data: queries are read-only all the same, but grant it SELECT only"
        )
    if creates:
        warnings.append("the login may create tables or schemas")
    if not connection.pgconn.ssl_in_use and not target.is_loopback:
        warnings.append("the connection is not encrypted")
    return Tried(version, tuple(warnings))


_RIGHTS: Final = """
WITH me AS (SELECT r.* FROM pg_catalog.pg_roles r WHERE r.rolname = current_user)
SELECT COALESCE((SELECT rolsuper FROM me), false),
       COALESCE((SELECT rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls FROM me), false),
       ARRAY(SELECT r.rolname::text FROM pg_catalog.pg_roles r
             WHERE r.rolname IN ('pg_write_all_data', 'pg_execute_server_program', 'pg_write_server_files',
                                 'pg_read_server_files', 'pg_signal_backend', 'pg_checkpoint', 'pg_maintain')
               AND NOT (SELECT rolsuper FROM me) AND pg_catalog.pg_has_role(r.oid, 'MEMBER') ORDER BY 1),
       pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')
       OR EXISTS (SELECT FROM pg_catalog.pg_namespace n
                  WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
                    AND pg_catalog.has_schema_privilege(n.oid, 'CREATE')),
       EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
               WHERE c.relkind IN ('r', 'p', 'v', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
                 AND pg_catalog.has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE'))
"""
