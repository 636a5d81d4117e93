"""Who drained a worker and what it runs; when attempts were queued; lines by what they say; counts of runs."""

from typing import Final

import sqlalchemy as sa
from alembic import op

from mcpanel.engine.v1 import run_pb2

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_LEVELS: Final = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40}


def upgrade() -> None:
    op.add_column(
        "workers",
        sa.Column(
            "drained", sa.Boolean(), server_default="false", nullable=False, comment="somebody drained it"
        ),
    )
    op.add_column(
        "workers",
        sa.Column("version", sa.Text(), server_default="", nullable=False, comment="of its software"),
    )
    op.add_column(
        "workers",
        sa.Column(
            "engine_version",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="of the engine it is connected to",
        ),
    )
    op.add_column(
        "attempts",
        sa.Column(
            "queued_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="since when a worker might have had it",
        ),
    )
    op.add_column(
        "run_events",
        sa.Column("step_id", sa.Text(), nullable=True, comment="of a line, as are those that follow"),
    )
    op.add_column("run_events", sa.Column("attempt", sa.Integer(), nullable=True))
    op.add_column(
        "run_events",
        sa.Column(
            "level",
            sa.SmallInteger(),
            nullable=True,
            comment="the graver, the higher: engine.domain.LEVELS",
        ),
    )
    op.add_column("run_events", sa.Column("stream", sa.Text(), nullable=True))
    op.add_column(
        "run_events",
        sa.Column("line", sa.Text(), nullable=True, comment="to search in; NUL is replaced"),
    )
    _fill_lines()
    op.create_index(
        "ix_run_events_lines",
        "run_events",
        ["run_id", "step_id", "seq"],
        postgresql_where=sa.text("kind = 'log'"),
    )
    op.create_index(
        "ix_run_events_grave", "run_events", ["run_id", "seq"], postgresql_where=sa.text("level >= 30")
    )
    op.create_table(
        "run_ends",
        sa.Column("workflow_id", sa.Text(), nullable=False),
        sa.Column("workflow_name", sa.Text(), nullable=False),
        sa.Column("is_public", sa.Boolean(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("started_by", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("milliseconds", sa.BigInteger(), nullable=False, comment="from accepted to ended"),
        comment="runs that ended lately, until they are counted in run_counts",
    )
    op.create_table(
        "run_counts",
        sa.Column("span", sa.Text(), nullable=False, comment="hour, day or all"),
        sa.Column(
            "since",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="the beginning of the span, UTC, in which they ended",
        ),
        sa.Column("workflow_id", sa.Text(), nullable=False),
        sa.Column("workflow_name", sa.Text(), nullable=False),
        sa.Column("is_public", sa.Boolean(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False, comment="of private ones; else empty"),
        sa.Column("started_by", sa.Text(), nullable=False, comment="of private ones; else empty"),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column(
            "bucket",
            sa.SmallInteger(),
            nullable=False,
            comment="of their durations: engine.counting; -1: none",
        ),
        sa.Column("runs", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "span",
            "since",
            "workflow_id",
            "workflow_name",
            "is_public",
            "owner_id",
            "started_by",
            "status",
            "bucket",
            name="pk_run_counts",
        ),
    )
    op.execute(
        "INSERT INTO run_ends SELECT workflow_id, workflow_name, is_public, owner_id, started_by, status, ended_at,"
        " floor(extract(epoch FROM ended_at - created_at) * 1000) FROM runs WHERE ended_at IS NOT NULL"
    )
    op.create_index("ix_runs_by_key", "runs", ["run_key", "id"], postgresql_where=sa.text("run_key <> ''"))
    op.create_index(
        "ix_runs_limited", "runs", ["limit_key", "id"], postgresql_where=sa.text("limit_key <> ''")
    )
    op.create_index(
        "ix_runs_triggered_by", "runs", ["triggered_by", "id"], postgresql_where=sa.text("triggered_by <> ''")
    )


def _fill_lines() -> None:
    """What the lines that are there say, taken out of their bodies some at a time."""
    connection = op.get_bind()
    some = sa.text("SELECT run_id, seq, body FROM run_events WHERE kind = 'log' AND line IS NULL LIMIT 5000")
    fill = sa.text(
        "UPDATE run_events SET step_id = :step_id, attempt = :attempt, level = :level, stream = :stream,"
        " line = :line WHERE run_id = :run_id AND seq = :seq"
    )
    while rows := connection.execute(some).all():
        connection.execute(fill, [_line(*row) for row in rows])


def _line(run_id: object, seq: int, body: bytes) -> dict[str, object]:
    said = run_pb2.RunEvent.FromString(body).log
    return {
        "run_id": run_id,
        "seq": seq,
        "step_id": said.step_id,
        "attempt": said.attempt,
        "level": _LEVELS.get(said.level, 20),
        "stream": said.stream,
        "line": said.message.replace("\0", "\N{REPLACEMENT CHARACTER}"),
    }


def downgrade() -> None:
    op.drop_index("ix_runs_triggered_by", table_name="runs", postgresql_where=sa.text("triggered_by <> ''"))
    op.drop_index("ix_runs_by_key", table_name="runs", postgresql_where=sa.text("run_key <> ''"))
    op.drop_index("ix_runs_limited", table_name="runs", postgresql_where=sa.text("limit_key <> ''"))
    op.drop_table("run_counts")
    op.drop_table("run_ends")
    op.drop_index("ix_run_events_grave", table_name="run_events", postgresql_where=sa.text("level >= 30"))
    op.drop_index("ix_run_events_lines", table_name="run_events", postgresql_where=sa.text("kind = 'log'"))
    op.drop_column("run_events", "line")
    op.drop_column("run_events", "stream")
    op.drop_column("run_events", "level")
    op.drop_column("run_events", "attempt")
    op.drop_column("run_events", "step_id")
    op.drop_column("attempts", "queued_at")
    op.drop_column("workers", "engine_version")
    op.drop_column("workers", "version")
    op.drop_column("workers", "drained")
