"""Reading PostgreSQL's catalogue: what the login may see, system schemas left out."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

import psycopg

from datasources.catalogue import Catalogue, Column, ForeignKey, Index, Table
from datasources.connectors import failures
from datasources.connectors.postgresql import Session

CATALOGUE_BYTES: Final = 16 * 1024 * 1024
"""The most bytes that one of the queries may answer with; what fits into a message takes fewer."""
_KINDS: Final = {"r": "TABLE", "p": "TABLE", "v": "VIEW", "m": "MATERIALIZED_VIEW", "f": "FOREIGN_TABLE"}
_USERS: Final = (
    "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' "
    "AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')"
)


async def scan(session: Session) -> Catalogue:
    """The catalogue, in five queries whatever its size. In the session's transaction.

    Raises TooLarge MESSAGE_TOO_LARGE.
    """
    columns: dict[int, list[Column]] = defaultdict(list)
    labels = await _labels(session)
    for row in await _rows(session, _COLUMNS):
        relation, name, kind, nullable, default, comment, enum = row
        columns[relation].append(Column(name, kind, nullable, default, comment, labels.get(enum, ())))
    keys, foreign = await _constraints(session)
    indexes: dict[int, list[Index]] = defaultdict(list)
    for relation, name, parts, unique in await _rows(session, _INDEXES):
        indexes[relation].append(Index(name, tuple(parts), unique))
    tables = tuple(
        Table(
            schema,
            name,
            _KINDS[kind],
            comment,
            tuple(columns[oid]),
            keys.get(oid, ()),
            tuple(foreign[oid]),
            tuple(indexes[oid]),
        )
        for oid, schema, name, kind, comment in await _rows(session, _RELATIONS)
    )
    return Catalogue(tables, session.connection.info.parameter_status("server_version") or "")


async def _rows(session: Session, statement: str) -> list[Any]:
    session.valve.allow(CATALOGUE_BYTES)
    try:
        return await (await session.connection.execute(statement.encode())).fetchall()
    except psycopg.Error as error:
        if session.valve.overflowed:
            raise failures.schema_too_large() from error
        raise


async def _labels(session: Session) -> Mapping[int, tuple[str, ...]]:
    return {oid: tuple(labels) for oid, labels in await _rows(session, _LABELS)}


async def _constraints(
    session: Session,
) -> tuple[dict[int, tuple[str, ...]], Mapping[int, list[ForeignKey]]]:
    keys: dict[int, tuple[str, ...]] = {}
    foreign: dict[int, list[ForeignKey]] = defaultdict(list)
    for relation, kind, name, columns, schema, table, referenced in await _rows(session, _CONSTRAINTS):
        if kind == "p":
            keys[relation] = tuple(columns)
        else:
            foreign[relation].append(ForeignKey(name, tuple(columns), schema, table, tuple(referenced)))
    return keys, foreign


_RELATIONS: Final = f"""
SELECT c.oid, n.nspname, c.relname, c.relkind, COALESCE(pg_catalog.obj_description(c.oid, 'pg_class'), '')
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND {_USERS} AND NOT c.relispartition
ORDER BY n.nspname, c.relname
"""  # noqa: S608  # the parts are ours

_COLUMNS: Final = f"""
SELECT a.attrelid, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
       COALESCE(pg_catalog.pg_get_expr(d.adbin, d.adrelid), ''),
       COALESCE(pg_catalog.col_description(a.attrelid, a.attnum), ''),
       CASE WHEN t.typtype = 'd' THEN t.typbasetype WHEN t.typelem <> 0 THEN t.typelem ELSE t.oid END
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND {_USERS}
ORDER BY a.attrelid, a.attnum
"""  # noqa: S608  # the parts are ours

_LABELS: Final = """
SELECT enumtypid, pg_catalog.array_agg(enumlabel::text ORDER BY enumsortorder) FROM pg_catalog.pg_enum GROUP BY 1
"""

_CONSTRAINTS: Final = f"""
SELECT k.conrelid, k.contype, k.conname,
       ARRAY(SELECT a.attname::text FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY u(num, ord)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num ORDER BY u.ord),
       COALESCE(rn.nspname, ''), COALESCE(r.relname, ''),
       ARRAY(SELECT a.attname::text FROM pg_catalog.unnest(k.confkey) WITH ORDINALITY u(num, ord)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num ORDER BY u.ord)
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_class r ON r.oid = k.confrelid
LEFT JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace
WHERE k.contype IN ('p', 'f') AND k.conparentid = 0 AND {_USERS}
ORDER BY k.conname
"""  # noqa: S608  # the parts are ours

_INDEXES: Final = f"""
SELECT i.indrelid, x.relname,
       ARRAY(SELECT pg_catalog.pg_get_indexdef(i.indexrelid, s.part, true)
             FROM pg_catalog.generate_series(1, i.indnkeyatts) AS s(part) ORDER BY s.part),
       i.indisunique
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE i.indislive AND c.relkind IN ('r', 'p', 'm') AND {_USERS}
ORDER BY x.relname
"""  # noqa: S608  # the parts are ours
