"""Definitions, versions, workflows."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from chassis import migrations

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _text(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Text, nullable=False)


def _sorted(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(collation="C"), nullable=False)


def _texts(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.ARRAY(sa.Text), nullable=False)


def _time(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _document(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.JSON, nullable=nullable)


def _number(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer, nullable=False)


def upgrade() -> None:
    migrations.create_chassis_tables(op)
    op.create_table(
        "definitions",
        _sorted("id"),
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
        _number("revision"),
        _time("created_at"),
        _time("updated_at"),
        _text("search"),
        sa.PrimaryKeyConstraint("id", name="pk_definitions"),
        sa.UniqueConstraint("name", name="uq_definitions_name"),
    )
    op.create_index("ix_definitions_created_at_id", "definitions", ["created_at", "id"])
    op.create_index("ix_definitions_owner_id_created_at_id", "definitions", ["owner_id", "created_at", "id"])
    op.create_table(
        "versions",
        _sorted("id"),
        _sorted("definition_id"),
        _text("version"),
        _text("config_field"),
        _document("config", nullable=True),
        _text("config_digest"),
        _document("input_schema", nullable=True),
        _document("output_schema", nullable=True),
        _document("data_sources"),
        _texts("tags"),
        _text("changelog"),
        _time("created_at"),
        _text("created_by"),
        _time("deprecated_at", nullable=True),
        _text("deprecation_message"),
        sa.PrimaryKeyConstraint("id", name="pk_versions"),
        sa.ForeignKeyConstraint(
            ["definition_id"],
            ["definitions.id"],
            name="fk_versions_definition_id_definitions",
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint("definition_id", "version", name="uq_versions_definition_id_version"),
    )
    op.create_index(
        "ix_versions_definition_id_created_at_id", "versions", ["definition_id", "created_at", "id"]
    )
    op.create_table(
        "workflows",
        _sorted("id"),
        _sorted("name"),
        _text("display_name"),
        _text("description"),
        _texts("tags"),
        _text("visibility"),
        _text("owner_id"),
        _number("version"),
        _number("revision"),
        _time("created_at"),
        _time("updated_at"),
        _text("search"),
        sa.PrimaryKeyConstraint("id", name="pk_workflows"),
        sa.UniqueConstraint("name", name="uq_workflows_name"),
    )
    op.create_index("ix_workflows_created_at_id", "workflows", ["created_at", "id"])
    op.create_index("ix_workflows_owner_id_created_at_id", "workflows", ["owner_id", "created_at", "id"])
    op.create_table(
        "workflow_versions",
        _sorted("workflow_id"),
        _number("version"),
        _document("content"),
        _time("created_at"),
        _text("created_by"),
        sa.PrimaryKeyConstraint("workflow_id", "version", name="pk_workflow_versions"),
        sa.ForeignKeyConstraint(
            ["workflow_id"],
            ["workflows.id"],
            name="fk_workflow_versions_workflow_id_workflows",
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "workflow_uses",
        _sorted("workflow_id"),
        _sorted("definition_id"),
        sa.PrimaryKeyConstraint("workflow_id", "definition_id", name="pk_workflow_uses"),
        sa.ForeignKeyConstraint(
            ["workflow_id"],
            ["workflows.id"],
            name="fk_workflow_uses_workflow_id_workflows",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["definition_id"],
            ["definitions.id"],
            name="fk_workflow_uses_definition_id_definitions",
            ondelete="RESTRICT",
        ),
    )
    op.create_index("ix_workflow_uses_definition_id", "workflow_uses", ["definition_id"])


def downgrade() -> None:
    for table in ("workflow_uses", "workflow_versions", "workflows", "versions", "definitions"):
        op.drop_table(table)
    migrations.drop_chassis_tables(op)
