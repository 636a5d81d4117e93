"""The registry's tables.

Documents are JSON, not JSONB: JSONB rewrites numbers (1e22 becomes 10000000000000000000000), and a version must stay
what it was. Names and ids sort by their bytes, as page positions need.
"""

from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    JSON,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from chassis import access
from chassis.tables import NAMING, chassis_tables

metadata: Final = MetaData(naming_convention=NAMING)
chassis_tables(metadata)

grants: Final = access.tables(metadata)


def _text(name: str, **options: Any) -> Column[Any]:
    return Column(name, Text, nullable=False, **options)


def _sorted(name: str, *constraints: Any, **options: Any) -> Column[Any]:
    return Column(name, Text(collation="C"), *constraints, nullable=False, **options)


def _texts(name: str, **options: Any) -> Column[Any]:
    return Column(name, ARRAY(Text), nullable=False, **options)


def _time(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


def _document(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, JSON(none_as_null=True), nullable=nullable)


def _searched(name: str) -> Index:
    """Serves `LIKE '%word%'` on the column `search`, by the function `trigrams` that the migrations make."""
    return Index(f"ix_{name}_trigrams", text("trigrams(search)"), postgresql_using="gin")


definitions: Final = Table(
    "definitions",
    metadata,
    _sorted("id", primary_key=True),
    _sorted("name"),
    _text("display_name"),
    _text("description"),
    _text("type"),
    _text("owner_id"),
    _text("visibility"),
    _texts("tags"),
    _texts("compliance"),
    _text("cost_tier"),
    _text("icon"),
    _text("latest_version"),
    Column("revision", Integer, nullable=False),
    _time("created_at"),
    _time("updated_at"),
    _text("search"),
    Column("star_count", Integer, nullable=False, server_default="0"),
    Column("deprecated", Boolean, nullable=False, server_default="false"),
    UniqueConstraint("name", name="uq_definitions_name"),
    Index("ix_definitions_created_at_id", "created_at", "id"),
    Index("ix_definitions_updated_at_created_at_id", "updated_at", "created_at", "id"),
    Index("ix_definitions_star_count_created_at_id", "star_count", "created_at", "id"),
    _searched("definitions"),
    Index("ix_definitions_owner_id_created_at_id", "owner_id", "created_at", "id"),
)

stars: Final = Table(
    "stars",
    metadata,
    _sorted("subject_id"),
    _sorted("definition_id", ForeignKey("definitions.id", ondelete="CASCADE")),
    _time("created_at"),
    PrimaryKeyConstraint("subject_id", "definition_id", name="pk_stars"),
    Index("ix_stars_definition_id", "definition_id"),
)
"""Who has starred what."""

versions: Final = Table(
    "versions",
    metadata,
    _sorted("id", primary_key=True),
    _sorted("definition_id", ForeignKey("definitions.id", ondelete="CASCADE")),
    _text("version"),
    _text("config_field"),
    _document("config", nullable=True),
    _text("config_digest"),
    _document("input_schema", nullable=True),
    _document("output_schema", nullable=True),
    _document("data_sources"),
    Column("secrets", JSON(none_as_null=True), nullable=False, server_default="[]"),
    _texts("tags"),
    _text("changelog"),
    _time("created_at"),
    _text("created_by"),
    _time("deprecated_at", nullable=True),
    _text("deprecation_message"),
    _text("effect", server_default=""),
    _document("package", nullable=True),
    Column("draft", Boolean, nullable=False, server_default="false"),
    _texts("network_hosts", server_default="{}"),
    _document("tools", nullable=True),
    UniqueConstraint("definition_id", "version", name="uq_versions_definition_id_version"),
    Index("ix_versions_definition_id_created_at_id", "definition_id", "created_at", "id"),
)

version_uses: Final = Table(
    "version_uses",
    metadata,
    _sorted("version_id", ForeignKey("versions.id", ondelete="CASCADE")),
    _sorted("definition_id", ForeignKey("definitions.id", ondelete="RESTRICT")),
    PrimaryKeyConstraint("version_id", "definition_id", name="pk_version_uses"),
    Index("ix_version_uses_definition_id", "definition_id"),
)
"""Which definitions each package of components is made of, and each assistant may call."""

workflows: Final = Table(
    "workflows",
    metadata,
    _sorted("id", primary_key=True),
    _sorted("name"),
    _text("display_name"),
    _text("description"),
    _texts("tags"),
    _text("visibility"),
    _text("owner_id"),
    Column("version", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    _time("created_at"),
    _time("updated_at"),
    _text("search"),
    _text("status", server_default="PUBLISHED"),
    UniqueConstraint("name", name="uq_workflows_name"),
    Index("ix_workflows_created_at_id", "created_at", "id"),
    Index("ix_workflows_updated_at_created_at_id", "updated_at", "created_at", "id"),
    _searched("workflows"),
    Index("ix_workflows_owner_id_created_at_id", "owner_id", "created_at", "id"),
)

workflow_versions: Final = Table(
    "workflow_versions",
    metadata,
    _sorted("workflow_id", ForeignKey("workflows.id", ondelete="CASCADE")),
    Column("version", Integer, nullable=False),
    _document("content"),
    _time("created_at"),
    _text("created_by"),
    PrimaryKeyConstraint("workflow_id", "version", name="pk_workflow_versions"),
)

workflow_uses: Final = Table(
    "workflow_uses",
    metadata,
    _sorted("workflow_id", ForeignKey("workflows.id", ondelete="CASCADE")),
    _sorted("definition_id", ForeignKey("definitions.id", ondelete="RESTRICT")),
    PrimaryKeyConstraint("workflow_id", "definition_id", name="pk_workflow_uses"),
    Index("ix_workflow_uses_definition_id", "definition_id"),
)
"""Which definitions the newest version of each workflow runs, be it inside another."""

workflow_calls: Final = Table(
    "workflow_calls",
    metadata,
    _sorted("workflow_id", ForeignKey("workflows.id", ondelete="CASCADE")),
    _sorted("callee_id", ForeignKey("workflows.id", ondelete="RESTRICT")),
    PrimaryKeyConstraint("workflow_id", "callee_id", name="pk_workflow_calls"),
    Index("ix_workflow_calls_callee_id", "callee_id"),
)
"""Which other workflows the newest version of each runs, be it inside another."""

workflow_parts: Final = Table(
    "workflow_parts",
    metadata,
    _sorted("workflow_id"),
    Column("version", Integer, nullable=False),
    _sorted("part"),
    PrimaryKeyConstraint("workflow_id", "version", "part", name="pk_workflow_parts"),
    ForeignKeyConstraint(
        ["workflow_id", "version"],
        ["workflow_versions.workflow_id", "workflow_versions.version"],
        name="fk_workflow_parts_workflow_id_workflow_versions",
        ondelete="CASCADE",
    ),
    Index("ix_workflow_parts_part", "part"),
)
"""What each version of a workflow runs itself: ids of versions of components, and `id@version` of workflows."""
