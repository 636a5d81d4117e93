"""Schedules and triggers: what starts runs by itself, and what it has done."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "follow_ups",
        sa.Column("trigger_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("run_id", sa.Uuid(as_uuid=False), nullable=False, comment="the run that ended"),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_run_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column(
            "depth",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="how many runs started each other up to it",
        ),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "retry_at", sa.DateTime(timezone=True), nullable=False, comment="not looked at before then"
        ),
        sa.Column("settled", sa.Boolean(), server_default="false", nullable=False),
        sa.PrimaryKeyConstraint("trigger_id", "run_id", name=op.f("pk_follow_ups")),
    )
    op.create_index(
        "ix_follow_ups_started_run_id",
        "follow_ups",
        ["started_run_id"],
        unique=False,
        postgresql_where=sa.text("started_run_id IS NOT NULL"),
    )
    op.create_index(
        "ix_follow_ups_unsettled",
        "follow_ups",
        ["retry_at"],
        unique=False,
        postgresql_where=sa.text("NOT settled"),
    )
    op.create_table(
        "schedule_fires",
        sa.Column("schedule_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("fire_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False, comment="when it was acted upon"),
        sa.Column("run_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("schedule_id", "fire_time", name=op.f("pk_schedule_fires")),
    )
    op.create_index("ix_schedule_fires_time", "schedule_fires", ["time"], unique=False)
    op.create_table(
        "schedules",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("workflow_id", sa.Text(), nullable=False),
        sa.Column("workflow_name", sa.Text(), nullable=False),
        sa.Column(
            "workflow_version", sa.Integer(), nullable=False, comment="0: the newest whenever a run starts"
        ),
        sa.Column(
            "is_public",
            sa.Boolean(),
            nullable=False,
            comment="whether the workflow was, when that was last seen",
        ),
        sa.Column("workflow_owner_id", sa.Text(), nullable=False),
        sa.Column("inputs", sa.LargeBinary(), nullable=False, comment="canonical JSON"),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column(
            "owner_is_admin",
            sa.Boolean(),
            nullable=False,
            comment="whether it was made with an administrator's rights",
        ),
        sa.Column("last", postgresql.JSONB(astext_type=sa.Text()), nullable=True, comment="what it did last"),
        sa.Column("revision", sa.Integer(), nullable=False, comment="grows with every change by people"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cron", sa.Text(), server_default="", nullable=False, comment="empty: by interval"),
        sa.Column("time_zone", sa.Text(), server_default="", nullable=False),
        sa.Column("every", sa.Interval(), nullable=True, comment="absent: by cron"),
        sa.Column("anchor_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("start_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("catch_up", sa.Text(), nullable=False),
        sa.Column(
            "next_fire_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="the earliest fire time nothing was decided about; absent: it fires no more",
        ),
        sa.Column("skipped_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "tries", sa.Integer(), server_default="0", nullable=False, comment="in vain, for next_fire_at"
        ),
        sa.Column(
            "retry_at", sa.DateTime(timezone=True), nullable=True, comment="not tried again before then"
        ),
        sa.Column("waiting_for", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedules")),
        sa.UniqueConstraint("name", name=op.f("uq_schedules_name")),
    )
    op.create_index(
        "ix_schedules_next_fire_at",
        "schedules",
        ["next_fire_at"],
        unique=False,
        postgresql_where=sa.text("next_fire_at IS NOT NULL"),
    )
    op.create_table(
        "triggers",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("workflow_id", sa.Text(), nullable=False),
        sa.Column("workflow_name", sa.Text(), nullable=False),
        sa.Column(
            "workflow_version", sa.Integer(), nullable=False, comment="0: the newest whenever a run starts"
        ),
        sa.Column(
            "is_public",
            sa.Boolean(),
            nullable=False,
            comment="whether the workflow was, when that was last seen",
        ),
        sa.Column("workflow_owner_id", sa.Text(), nullable=False),
        sa.Column("inputs", sa.LargeBinary(), nullable=False, comment="canonical JSON"),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column(
            "owner_is_admin",
            sa.Boolean(),
            nullable=False,
            comment="whether it was made with an administrator's rights",
        ),
        sa.Column("last", postgresql.JSONB(astext_type=sa.Text()), nullable=True, comment="what it did last"),
        sa.Column("revision", sa.Integer(), nullable=False, comment="grows with every change by people"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "signature", sa.Text(), server_default="", nullable=False, comment="of a webhook: STANDARD or HUB"
        ),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=True),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.Column("key_version", sa.Integer(), nullable=True),
        sa.Column("old_ciphertext", sa.LargeBinary(), nullable=True),
        sa.Column("old_wrapped_key", sa.LargeBinary(), nullable=True),
        sa.Column("old_key_version", sa.Integer(), nullable=True),
        sa.Column(
            "old_until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="the old secret is good until then",
        ),
        sa.Column(
            "source_workflow_id",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="whose runs' ends count",
        ),
        sa.Column("source_workflow_name", sa.Text(), server_default="", nullable=False),
        sa.Column("source_statuses", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_triggers")),
        sa.UniqueConstraint("name", name=op.f("uq_triggers_name")),
    )
    op.create_index(
        "ix_triggers_source",
        "triggers",
        ["source_workflow_id"],
        unique=False,
        postgresql_where=sa.text("source_workflow_id <> ''"),
    )
    op.create_table(
        "webhook_messages",
        sa.Column("trigger_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("trigger_id", "message_id", name=op.f("pk_webhook_messages")),
    )
    op.create_index("ix_webhook_messages_received_at", "webhook_messages", ["received_at"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_webhook_messages_received_at", table_name="webhook_messages")
    op.drop_table("webhook_messages")
    op.drop_index(
        "ix_triggers_source", table_name="triggers", postgresql_where=sa.text("source_workflow_id <> ''")
    )
    op.drop_table("triggers")
    op.drop_index(
        "ix_schedules_next_fire_at",
        table_name="schedules",
        postgresql_where=sa.text("next_fire_at IS NOT NULL"),
    )
    op.drop_table("schedules")
    op.drop_index("ix_schedule_fires_time", table_name="schedule_fires")
    op.drop_table("schedule_fires")
    op.drop_index("ix_follow_ups_unsettled", table_name="follow_ups", postgresql_where=sa.text("NOT settled"))
    op.drop_index(
        "ix_follow_ups_started_run_id",
        table_name="follow_ups",
        postgresql_where=sa.text("started_run_id IS NOT NULL"),
    )
    op.drop_table("follow_ups")
