"""Waiting, gates, decisions, copies, limits and lanes. Steps that wait now wait in the lane of their kind."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "run_steps",
        sa.Column("lane", sa.Text(), server_default="", nullable=False, comment="which workers may have it"),
    )
    op.execute("UPDATE run_steps SET lane = kind WHERE status = 'READY'")
    op.add_column("run_steps", sa.Column("priority", sa.Integer(), server_default="0", nullable=False))
    op.add_column(
        "run_steps",
        sa.Column(
            "expires_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when its waiting, or a sub-workflow, is ended",
        ),
    )
    op.add_column(
        "run_steps",
        sa.Column(
            "gate", sa.Text(), server_default="", nullable=False, comment="what else has to let it through"
        ),
    )
    op.add_column(
        "run_steps",
        sa.Column(
            "cache_digest",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="whose computation others wait for",
        ),
    )
    op.add_column(
        "run_steps",
        sa.Column(
            "copied_from", sa.Text(), server_default="", nullable=False, comment="the run whose output it has"
        ),
    )
    op.add_column(
        "run_steps",
        sa.Column(
            "message", sa.Text(), server_default="", nullable=False, comment="what whoever decides is told"
        ),
    )
    op.add_column(
        "run_steps",
        sa.Column(
            "approvers",
            sa.ARRAY(sa.Text()),
            server_default="{}",
            nullable=False,
            comment="who may decide; empty: all",
        ),
    )
    op.add_column("run_steps", sa.Column("decision", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.drop_index("ix_run_steps_ready", table_name="run_steps", postgresql_where="(status = 'READY'::text)")
    op.create_index(
        "ix_run_steps_ready",
        "run_steps",
        ["lane", sa.literal_column("priority DESC"), "due_at"],
        unique=False,
        postgresql_where=sa.text("status = 'READY' AND due_at IS NOT NULL"),
    )
    op.create_index(
        "ix_run_steps_gate", "run_steps", ["gate"], unique=False, postgresql_where=sa.text("gate <> ''")
    )
    op.create_index(
        "ix_run_steps_undecided",
        "run_steps",
        ["run_id"],
        unique=False,
        postgresql_where=sa.text("status = 'WAITING_APPROVAL'"),
    )
    op.add_column("runs", sa.Column("begun", sa.Boolean(), server_default="true", nullable=False))
    op.add_column(
        "runs", sa.Column("start_at", sa.DateTime(timezone=True), nullable=True, comment="not before")
    )
    op.add_column(
        "runs",
        sa.Column(
            "deadline_at", sa.DateTime(timezone=True), nullable=True, comment="it is to have ended by then"
        ),
    )
    op.add_column(
        "runs",
        sa.Column(
            "wake_at", sa.DateTime(timezone=True), nullable=True, comment="when time alone changes something"
        ),
    )
    op.add_column(
        "runs",
        sa.Column(
            "limit_key",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="what it shares its concurrency limit with",
        ),
    )
    op.add_column(
        "runs",
        sa.Column(
            "limit_count",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="how many may run under that key",
        ),
    )
    op.add_column(
        "runs",
        sa.Column(
            "admitted",
            sa.Boolean(),
            server_default="true",
            nullable=False,
            comment="it has a place under its limit",
        ),
    )
    op.add_column("runs", sa.Column("priority", sa.Integer(), server_default="0", nullable=False))
    op.add_column(
        "runs",
        sa.Column(
            "run_key", sa.Text(), server_default="", nullable=False, comment="the caller's own name for it"
        ),
    )
    op.add_column("runs", sa.Column("rerun_of", sa.Uuid(as_uuid=False), nullable=True))
    op.add_column(
        "runs",
        sa.Column(
            "rerun_from",
            sa.ARRAY(sa.Text()),
            server_default="{}",
            nullable=False,
            comment="the steps that run again",
        ),
    )
    op.add_column(
        "runs",
        sa.Column("triggered_by", sa.Text(), server_default="", nullable=False, comment="e.g. schedule:<id>"),
    )
    op.drop_index("ix_runs_live", table_name="runs")
    op.create_index(
        "ix_runs_live", "runs", ["id"], postgresql_where=sa.text("status IN ('PENDING', 'RUNNING', 'PAUSED')")
    )
    op.create_index(
        "ix_runs_limit_key",
        "runs",
        ["limit_key", "id"],
        unique=False,
        postgresql_where=sa.text("limit_key <> '' AND status IN ('PENDING', 'RUNNING', 'PAUSED')"),
    )
    op.create_index(
        "ix_runs_rerun_of",
        "runs",
        ["rerun_of"],
        unique=False,
        postgresql_where=sa.text("rerun_of IS NOT NULL"),
    )
    op.create_index(
        "ix_runs_run_key",
        "runs",
        ["workflow_id", "run_key", "id"],
        unique=False,
        postgresql_where=sa.text("run_key <> ''"),
    )
    op.create_index(
        "ix_runs_wake_at", "runs", ["wake_at"], unique=False, postgresql_where=sa.text("wake_at IS NOT NULL")
    )
    op.create_table(
        "step_cache",
        sa.Column("digest", sa.Text(), nullable=False, comment="SHA-256 of version, inputs and key"),
        sa.Column("run_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("step_id", sa.Text(), nullable=False, comment="the step that computed it, or does"),
        sa.Column("output", sa.LargeBinary(), nullable=True, comment="absent while it is computed"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("digest", name="pk_step_cache"),
    )
    op.create_index(
        "ix_step_cache_expires_at",
        "step_cache",
        ["expires_at"],
        postgresql_where=sa.text("expires_at IS NOT NULL"),
    )
    op.create_table(
        "rate_limits",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column(
            "next_at", sa.DateTime(timezone=True), nullable=False, comment="when the next attempt may begin"
        ),
        sa.PrimaryKeyConstraint("key", name="pk_rate_limits"),
    )
    op.add_column("workers", sa.Column("pool", sa.Text(), server_default="", nullable=False))
    op.add_column("workers", sa.Column("labels", sa.ARRAY(sa.Text()), server_default="{}", nullable=False))
    op.add_column("workers", sa.Column("cpus", sa.Float(), server_default="0", nullable=False))
    op.add_column("workers", sa.Column("memory_bytes", sa.BigInteger(), server_default="0", nullable=False))


def downgrade() -> None:
    op.drop_table("rate_limits")
    op.drop_table("step_cache")
    op.drop_index("ix_runs_live", table_name="runs")
    op.create_index(
        "ix_runs_live", "runs", ["id"], postgresql_where=sa.text("status IN ('PENDING', 'RUNNING')")
    )
    op.drop_column("workers", "memory_bytes")
    op.drop_column("workers", "cpus")
    op.drop_column("workers", "labels")
    op.drop_column("workers", "pool")
    op.drop_index("ix_runs_wake_at", table_name="runs", postgresql_where=sa.text("wake_at IS NOT NULL"))
    op.drop_index("ix_runs_run_key", table_name="runs", postgresql_where=sa.text("run_key <> ''"))
    op.drop_index("ix_runs_rerun_of", table_name="runs", postgresql_where=sa.text("rerun_of IS NOT NULL"))
    op.drop_index(
        "ix_runs_limit_key",
        table_name="runs",
        postgresql_where=sa.text("limit_key <> '' AND status IN ('PENDING', 'RUNNING', 'PAUSED')"),
    )
    op.drop_column("runs", "triggered_by")
    op.drop_column("runs", "rerun_from")
    op.drop_column("runs", "rerun_of")
    op.drop_column("runs", "run_key")
    op.drop_column("runs", "priority")
    op.drop_column("runs", "admitted")
    op.drop_column("runs", "limit_count")
    op.drop_column("runs", "limit_key")
    op.drop_column("runs", "wake_at")
    op.drop_column("runs", "deadline_at")
    op.drop_column("runs", "start_at")
    op.drop_column("runs", "begun")
    op.drop_index(
        "ix_run_steps_undecided",
        table_name="run_steps",
        postgresql_where=sa.text("status = 'WAITING_APPROVAL'"),
    )
    op.drop_index("ix_run_steps_gate", table_name="run_steps", postgresql_where=sa.text("gate <> ''"))
    op.drop_index(
        "ix_run_steps_ready",
        table_name="run_steps",
        postgresql_where=sa.text("status = 'READY' AND due_at IS NOT NULL"),
    )
    op.create_index(
        "ix_run_steps_ready",
        "run_steps",
        ["kind", "due_at"],
        unique=False,
        postgresql_where="(status = 'READY'::text)",
    )
    op.drop_column("run_steps", "decision")
    op.drop_column("run_steps", "approvers")
    op.drop_column("run_steps", "message")
    op.drop_column("run_steps", "copied_from")
    op.drop_column("run_steps", "cache_digest")
    op.drop_column("run_steps", "gate")
    op.drop_column("run_steps", "expires_at")
    op.drop_column("run_steps", "priority")
    op.drop_column("run_steps", "lane")
