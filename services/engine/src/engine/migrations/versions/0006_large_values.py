"""Large outputs are artifacts, and events lie in partitions, a week of runs in each."""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_WEEK = 7 * 24 * 3600
_COLUMNS = """
    run_id uuid NOT NULL,
    seq integer NOT NULL,
    "time" timestamp with time zone NOT NULL,
    kind text NOT NULL,
    body bytea NOT NULL,
    CONSTRAINT pk_run_events PRIMARY KEY (run_id, seq)"""


def upgrade() -> None:
    op.add_column(
        "artifacts",
        sa.Column(
            "preview",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="of a step's output: how it begins",
        ),
    )
    op.add_column(
        "artifacts",
        sa.Column(
            "items",
            postgresql.JSONB(),
            nullable=True,
            comment="of a step's output: the lengths of its lists by JSON Pointer",
        ),
    )
    op.add_column(
        "step_cache",
        sa.Column(
            "contents",
            postgresql.ARRAY(sa.Text()),
            server_default="{}",
            nullable=False,
            comment="the SHA-256 of what it refers to",
        ),
    )
    op.create_index("ix_step_cache_contents", "step_cache", ["contents"], postgresql_using="gin")
    _partition()


def _partition() -> None:
    """The events there are become the first partition as they lie; it ends with the present week.

    A run's id begins with the time at which it was made. What has another id (nothing should) goes into the partition
    of all that has no other.
    """
    week = int(datetime.now(UTC).timestamp() // _WEEK) + 1
    digits = f"{week * _WEEK * 1000:012x}"
    boundary = f"{digits[:8]}-{digits[8:]}-0000-0000-000000000000"
    op.execute("ALTER TABLE run_events RENAME TO run_events_before")
    op.execute("ALTER TABLE run_events_before RENAME CONSTRAINT pk_run_events TO pk_run_events_before")
    op.execute(f"CREATE TABLE run_events ({_COLUMNS}) PARTITION BY RANGE (run_id)")
    op.execute("COMMENT ON COLUMN run_events.kind IS 'the event''s field in mcpanel.engine.v1.RunEvent'")
    op.execute("COMMENT ON COLUMN run_events.body IS 'the RunEvent without run_id, seq and time'")
    op.execute("CREATE TABLE run_events_default PARTITION OF run_events DEFAULT")
    op.execute(
        f"WITH moved AS (DELETE FROM run_events_before WHERE run_id >= '{boundary}' RETURNING *) "  # noqa: S608  # ours
        "INSERT INTO run_events_default SELECT * FROM moved"
    )
    op.execute(
        f"ALTER TABLE run_events ATTACH PARTITION run_events_before FOR VALUES FROM (MINVALUE) TO ('{boundary}')"
    )
    for number in range(week, week + 4):
        begins = datetime.fromtimestamp(number * _WEEK, UTC)
        op.execute(
            f"CREATE TABLE run_events_{begins:%Y%m%d} PARTITION OF run_events "
            f"FOR VALUES FROM ('{_id(begins)}') TO ('{_id(begins + timedelta(seconds=_WEEK))}')"
        )


def _id(moment: datetime) -> str:
    digits = f"{int(moment.timestamp() * 1000):012x}"
    return f"{digits[:8]}-{digits[8:]}-0000-0000-000000000000"


def downgrade() -> None:
    op.execute("ALTER TABLE run_events RENAME TO run_events_partitioned")
    op.execute(
        "ALTER TABLE run_events_partitioned RENAME CONSTRAINT pk_run_events TO pk_run_events_partitioned"
    )
    op.execute(f"CREATE TABLE run_events ({_COLUMNS})")
    op.execute("COMMENT ON COLUMN run_events.kind IS 'the event''s field in mcpanel.engine.v1.RunEvent'")
    op.execute("COMMENT ON COLUMN run_events.body IS 'the RunEvent without run_id, seq and time'")
    op.execute("INSERT INTO run_events SELECT * FROM run_events_partitioned")
    op.execute("DROP TABLE run_events_partitioned")
    op.drop_index("ix_step_cache_contents", table_name="step_cache")
    op.drop_column("step_cache", "contents")
    op.drop_column("artifacts", "items")
    op.drop_column("artifacts", "preview")
