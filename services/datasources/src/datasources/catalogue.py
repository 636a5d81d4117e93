"""A database's catalogue as plain values: what a scan finds, a snapshot stores and an answer shows."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Column:
    """A column."""

    name: str
    type: str
    nullable: bool
    default: str = ""
    comment: str = ""
    enum_values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key."""

    name: str
    columns: tuple[str, ...]
    referenced_schema: str
    referenced_table: str
    referenced_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Index:
    """An index; expressions stand among its columns."""

    name: str
    columns: tuple[str, ...]
    unique: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A table or view; `kind` is a name of the contract's enumeration."""

    schema: str
    name: str
    kind: str
    comment: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    indexes: tuple[Index, ...] = ()


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What a scan found."""

    tables: tuple[Table, ...]
    server_version: str


def to_json(tables: Sequence[Table]) -> list[dict[str, Any]]:
    """The tables as JSON."""
    return [dataclasses.asdict(table) for table in tables]


def from_json(values: Sequence[dict[str, Any]]) -> tuple[Table, ...]:
    """The tables that `to_json` wrote."""
    return tuple(
        Table(
            **value
            | {
                "columns": tuple(
                    Column(**one | {"enum_values": tuple(one["enum_values"])}) for one in value["columns"]
                ),
                "primary_key": tuple(value["primary_key"]),
                "foreign_keys": tuple(
                    ForeignKey(
                        **one
                        | {
                            "columns": tuple(one["columns"]),
                            "referenced_columns": tuple(one["referenced_columns"]),
                        }
                    )
                    for one in value["foreign_keys"]
                ),
                "indexes": tuple(
                    Index(**one | {"columns": tuple(one["columns"])}) for one in value["indexes"]
                ),
            }
        )
        for value in values
    )
