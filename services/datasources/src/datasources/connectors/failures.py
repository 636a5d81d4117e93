"""What a database's errors become: a sentence for the caller, without credentials and without data."""

import re
from collections.abc import Sequence
from typing import Final

import psycopg
from psycopg import errors as pg

from chassis.errors import DeadlineExceeded, FieldViolation, Invalid, Precondition, ServiceError, TooLarge
from chassis.statuses import MAX_MESSAGE_BYTES
from datasources.statements import Statement

_NAMED: Final = 5
"""How many columns an error names."""
_QUOTED: Final = re.compile(r'"[^"]*"|\'[^\']*\'')
_CONNECTING: Final = (
    ("password authentication failed", "the database refused the login: wrong user name or password"),
    ("no password supplied", "the database wants a password and none is set"),
    (
        "authentication method requirement",
        "the database asks for a password in the clear, which needs verified TLS",
    ),
    ("no pg_hba.conf entry", "the database does not accept this login from here"),
    ("certificate verify failed", "the server's certificate could not be verified"),
    ("server certificate for", "the server's certificate is for another name"),
    ("root certificate file", "there are no trusted authorities to verify the server's certificate by"),
    ("does not support SSL", "the server does not offer TLS, which this data source requires"),
    ("SSL", "the TLS handshake failed"),
    ("Connection refused", "nothing listens there"),
    ("timeout", "the server did not answer in time"),
    ("No route to host", "there is no route to the host"),
    ("Network is unreachable", "the network is unreachable"),
    ("too many clients", "the database has no connection left"),
    ("remaining connection slots", "the database has no connection left"),
    ("starting up", "the database is starting up"),
    ("shutting down", "the database is shutting down"),
    ("server closed the connection", "the server closed the connection"),
    ("Connection reset", "the server closed the connection"),
)
_DATABASE_MISSING: Final = re.compile(r'database ".*" does not exist')
_ROLE_MISSING: Final = re.compile(r'role ".*" does not exist')


def connecting(error: Exception) -> str:
    """Why a connection could not be made, in neutral words."""
    text = str(error)
    if _DATABASE_MISSING.search(text):
        return "the database does not exist"
    if _ROLE_MISSING.search(text):
        return "the database refused the login: wrong user name or password"
    if isinstance(error, (psycopg.errors.ConnectionTimeout, TimeoutError)):
        return "the server did not answer in time"
    for sign, sentence in _CONNECTING:
        if sign in text:
            return sentence
    return "the connection failed"


def connection_failed(why: str) -> Precondition:
    """The error of a data source that cannot be used now."""
    return Precondition("CONNECTION_FAILED", why)


def querying(error: psycopg.Error, statement: Statement, prefix: int) -> ServiceError:
    """The error a query's failure becomes. `prefix` is how many characters stand before the statement on the wire."""
    state = error.sqlstate or ""
    if isinstance(error, pg.QueryCanceled):
        if "statement timeout" in str(error):
            return timed_out()
        return Invalid("QUERY_FAILED", "the query was cancelled on the database's server")
    if isinstance(error, pg.ReadOnlySqlTransaction) or state == "0A000":
        return Invalid("STATEMENT_REFUSED", f"the database refused it: {_message(error)}")
    if not state and isinstance(error, psycopg.OperationalError):
        return connection_failed("the connection to the database was lost")
    if state[:2] in ("08", "53") or state in ("57P01", "57P02", "57P03"):
        return connection_failed(f"the database ended the query: {_message(error)}")
    if not state:
        return Invalid(
            "INVALID_FIELD",
            "the parameters do not fit: a list's items must be of one kind",
            fields=[FieldViolation("parameters", "a list's items must be of one kind")],
        )
    metadata = {"sqlstate": state}
    place = ""
    if (position := error.diag.statement_position) and int(position) > prefix:
        line, column = statement.place(int(position) - prefix - 1)
        metadata |= {"line": str(line), "column": str(column)}
        place = f" (line {line}, column {column})"
    return Invalid("QUERY_FAILED", f"{_message(error)}{place}", metadata=metadata)


def writing(
    error: psycopg.Error, table: str, *, row: int | None = None, column: str | None = None
) -> ServiceError:
    """The error that a failed write becomes; `row` from 1 and `column` where they are known."""
    state = error.sqlstate or ""
    if isinstance(error, pg.QueryCanceled):
        return write_timed_out()
    if is_over(error):
        return connection_failed("the connection to the database was lost; nothing was written")
    constraint = error.diag.constraint_name or ""
    if isinstance(error, pg.NotNullViolation):
        why = "may not be NULL, and the row has no value for it"
    elif isinstance(error, pg.UniqueViolation):
        why = f'a row with the same key is there already (constraint "{constraint}")'
    elif constraint:
        why = f'violates the constraint "{constraint}"'
    else:
        why = _message(error)
    return write_refused(table, why, row=row, column=column, constraint=constraint, sqlstate=state)


def is_over(error: psycopg.Error) -> bool:
    """Whether a transaction cannot go on after this, not even from a savepoint."""
    state = error.sqlstate or ""
    lost = not state and isinstance(error, psycopg.OperationalError)
    return lost or state[:2] in ("08", "53", "57")


def write_refused(
    table: str,
    why: str,
    *,
    row: int | None = None,
    column: str | None = None,
    constraint: str = "",
    sqlstate: str = "",
) -> Invalid:
    """The error of rows that were not written, with where that is known."""
    place = ", ".join(
        [f"table {table}"] + ([f"row {row}"] if row else []) + ([f'column "{column}"'] if column else [])
    )
    known = {
        "table": table,
        "row": str(row or ""),
        "column": column or "",
        "constraint": constraint,
        "sqlstate": sqlstate,
    }
    metadata = {key: value for key, value in known.items() if value}
    return Invalid("WRITE_REFUSED", f"{place}: {why}; nothing was written", metadata=metadata)


def write_timed_out() -> DeadlineExceeded:
    """The error of a write that took too long."""
    return DeadlineExceeded(
        "QUERY_TIMED_OUT", "the write took longer than its timeout and was cancelled; nothing was written"
    )


def timed_out() -> DeadlineExceeded:
    """The error of a query that ran too long."""
    return DeadlineExceeded("QUERY_TIMED_OUT", "the query ran longer than its timeout and was cancelled")


def row_too_large(what: str, limit: int, columns: Sequence[str]) -> TooLarge:
    """The error of a row, `what`, that is larger than `limit` bytes. `columns` are those that may be to blame."""
    names = [f'column "{name}"' for name in columns]
    if len(names) > _NAMED:
        names[_NAMED:] = ["another"]
    metadata = {"limit_bytes": str(limit)} | ({"column": columns[0]} if len(columns) == 1 else {})
    return TooLarge(
        "MESSAGE_TOO_LARGE",
        f"{what} is larger than {limit} bytes; select less of {' or '.join(names) or 'it'}, "
        "e.g. left(…::text, 1000)",
        metadata=metadata,
    )


def complaint_too_large(limit: int) -> TooLarge:
    """The error of an error message that is larger than `limit` bytes, and was not let in."""
    return TooLarge(
        "MESSAGE_TOO_LARGE",
        f"the database's complaint is larger than {limit} bytes: it quotes a value; select less of that, "
        "e.g. left(…::text, 1000)",
        metadata={"limit_bytes": str(limit)},
    )


def schema_too_large() -> TooLarge:
    """The error of a schema that no message can hold."""
    return TooLarge(
        "MESSAGE_TOO_LARGE",
        "the schema is larger than a message may be; give the login fewer schemas to see",
        metadata={"limit_bytes": str(MAX_MESSAGE_BYTES)},
    )


def _message(error: psycopg.Error) -> str:
    """The database's sentence. Names in it are kept where they are names; where they may be values they go."""
    text = error.diag.message_primary or "the query failed"
    names_only = (error.sqlstate or "").startswith("42")
    return text if names_only else _QUOTED.sub("…", text)
