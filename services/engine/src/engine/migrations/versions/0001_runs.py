"""Runs, steps, attempts, events, artifacts, workers, and what runs are made of."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from chassis import migrations

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    migrations.create_chassis_tables(op)
    op.create_table(
        "artifacts",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("run_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("step_id", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_artifacts"),
        sa.UniqueConstraint("run_id", "step_id", "name", name="uq_artifacts_run_id_step_id_name"),
    )
    op.create_index("ix_artifacts_run_id", "artifacts", ["run_id", "id"])
    op.create_table(
        "attempts",
        sa.Column("run_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("step_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("worker_id", sa.Text(), nullable=False),
        sa.Column("isolation", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=True, comment="absent while it runs"),
        sa.Column("error", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deadline_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("run_id", "step_id", "number", name="pk_attempts"),
        postgresql_with={"fillfactor": 70},
    )
    op.create_index(
        "ix_attempts_live", "attempts", ["worker_id"], postgresql_where=sa.text("ended_at IS NULL")
    )
    op.create_table(
        "component_versions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column(
            "body", sa.LargeBinary(), nullable=False, comment="mcpanel.registry.v1.Version; never changes"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_component_versions"),
    )
    op.create_table(
        "plans",
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="SHA-256 of the body"),
        sa.Column("body", sa.LargeBinary(), nullable=False, comment="canonical JSON; never changes"),
        sa.PrimaryKeyConstraint("digest", name="pk_plans"),
    )
    op.create_table(
        "run_events",
        sa.Column("run_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "kind", sa.Text(), nullable=False, comment="the event's field in mcpanel.engine.v1.RunEvent"
        ),
        sa.Column(
            "body", sa.LargeBinary(), nullable=False, comment="the RunEvent without run_id, seq and time"
        ),
        sa.PrimaryKeyConstraint("run_id", "seq", name="pk_run_events"),
    )
    op.create_table(
        "run_steps",
        sa.Column("run_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("step_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="the component's type"),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("inputs", sa.LargeBinary(), nullable=True),
        sa.Column("output", sa.LargeBinary(), nullable=True),
        sa.Column("error", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("worker_id", sa.Text(), nullable=False),
        sa.Column("deadline_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stopping", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "step_id", name="pk_run_steps"),
        postgresql_with={"fillfactor": 70},
    )
    op.create_index(
        "ix_run_steps_ready", "run_steps", ["kind", "due_at"], postgresql_where=sa.text("status = 'READY'")
    )
    op.create_index("ix_run_steps_stopping", "run_steps", ["worker_id"], postgresql_where=sa.text("stopping"))
    op.create_table(
        "workers",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kinds", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("isolation", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("draining", sa.Boolean(), nullable=False),
        sa.Column("connected_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_workers"),
    )
    op.create_index("ix_workers_last_seen_at", "workers", ["last_seen_at"])
    op.create_table(
        "runs",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("workflow_id", sa.Text(), nullable=False),
        sa.Column("workflow_name", sa.Text(), nullable=False),
        sa.Column("workflow_version", sa.Integer(), nullable=False),
        sa.Column(
            "is_public",
            sa.Boolean(),
            nullable=False,
            comment="whether the workflow was, when the run started",
        ),
        sa.Column("owner_id", sa.Text(), nullable=False, comment="the workflow's owner"),
        sa.Column("plan", sa.LargeBinary(), nullable=False, comment="the digest of one in plans"),
        sa.Column("started_by", sa.Text(), nullable=False),
        sa.Column("started_by_kind", sa.Text(), nullable=False),
        sa.Column("started_by_name", sa.Text(), nullable=False),
        sa.Column("trace_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column(
            "cause",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="why it is stopping: failure or cancel",
        ),
        sa.Column("inputs", sa.LargeBinary(), nullable=False),
        sa.Column("outputs", sa.LargeBinary(), nullable=True),
        sa.Column("error", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("step_count", sa.Integer(), nullable=False),
        sa.Column("steps_ended", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "version",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="grows with every transition",
        ),
        sa.Column("last_seq", sa.Integer(), nullable=False, comment="of its newest event"),
        sa.Column(
            "status_seq", sa.Integer(), nullable=False, comment="of its newest event that audit is told of"
        ),
        sa.Column(
            "audited_seq",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="audit has the events up to here",
        ),
        sa.Column("unaudited", sa.Boolean(), nullable=False, comment="status_seq > audited_seq"),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        postgresql_with={"fillfactor": 70},
    )
    op.create_index(
        "ix_runs_live", "runs", ["id"], postgresql_where=sa.text("status IN ('PENDING', 'RUNNING')")
    )
    op.create_index("ix_runs_started_by", "runs", ["started_by", "id"])
    op.create_index("ix_runs_unaudited", "runs", ["id"], postgresql_where=sa.text("unaudited"))
    op.create_index(
        "ix_runs_unsuccessful", "runs", ["id"], postgresql_where=sa.text("status IN ('FAILED', 'ABORTED')")
    )
    op.create_index("ix_runs_workflow_id", "runs", ["workflow_id", "id"])
    op.create_index("ix_runs_workflow_name", "runs", ["workflow_name", "id"])


def downgrade() -> None:
    op.drop_index("ix_runs_workflow_name", table_name="runs")
    op.drop_index("ix_runs_workflow_id", table_name="runs")
    op.drop_index(
        "ix_runs_unsuccessful", table_name="runs", postgresql_where=sa.text("status IN ('FAILED', 'ABORTED')")
    )
    op.drop_index("ix_runs_unaudited", table_name="runs", postgresql_where=sa.text("unaudited"))
    op.drop_index("ix_runs_started_by", table_name="runs")
    op.drop_index(
        "ix_runs_live", table_name="runs", postgresql_where=sa.text("status IN ('PENDING', 'RUNNING')")
    )
    op.drop_table("runs")
    op.drop_index("ix_workers_last_seen_at", table_name="workers")
    op.drop_table("workers")
    op.drop_index("ix_run_steps_stopping", table_name="run_steps", postgresql_where=sa.text("stopping"))
    op.drop_index("ix_run_steps_ready", table_name="run_steps", postgresql_where=sa.text("status = 'READY'"))
    op.drop_table("run_steps")
    op.drop_table("run_events")
    op.drop_table("plans")
    op.drop_table("component_versions")
    op.drop_index("ix_attempts_live", table_name="attempts", postgresql_where=sa.text("ended_at IS NULL"))
    op.drop_table("attempts")
    op.drop_index("ix_artifacts_run_id", table_name="artifacts")
    op.drop_table("artifacts")
    migrations.drop_chassis_tables(op)
