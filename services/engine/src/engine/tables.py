"""The engine's tables: a row for each run, each step that has left PENDING, each attempt and each event."""

from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from chassis.tables import NAMING, chassis_tables

metadata: Final = MetaData(naming_convention=NAMING)
chassis_tables(metadata)


def _time(name: str, *, required: bool = False) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=not required)


def _run_id() -> Column[Any]:
    return Column("run_id", Uuid(as_uuid=False), nullable=False)


# Rows that are updated often leave room for the next version of themselves on their page.
_ROOM: Final[dict[str, Any]] = {"postgresql_with": {"fillfactor": 70}}

plans: Final = Table(
    "plans",
    metadata,
    Column("digest", LargeBinary, primary_key=True, comment="SHA-256 of the body"),
    Column("body", LargeBinary, nullable=False, comment="canonical JSON; never changes"),
)

component_versions: Final = Table(
    "component_versions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("body", LargeBinary, nullable=False, comment="mcpanel.registry.v1.Version; never changes"),
)

runs: Final = Table(
    "runs",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("workflow_id", Text, nullable=False),
    Column("workflow_name", Text, nullable=False),
    Column("workflow_version", Integer, nullable=False),
    Column("is_public", Boolean, nullable=False, comment="whether the workflow was, when the run started"),
    Column("owner_id", Text, nullable=False, comment="the workflow's owner"),
    Column("plan", LargeBinary, nullable=False, comment="the digest of one in plans"),
    Column("started_by", Text, nullable=False),
    Column("started_by_kind", Text, nullable=False),
    Column("started_by_name", Text, nullable=False),
    Column("trace_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("cause", Text, nullable=False, server_default="", comment="why it is stopping: failure or cancel"),
    Column("inputs", LargeBinary, nullable=False),
    Column("outputs", LargeBinary),
    Column("error", JSONB),
    _time("created_at", required=True),
    _time("started_at"),
    _time("ended_at"),
    _time("cancel_requested_at"),
    Column("step_count", Integer, nullable=False),
    Column("steps_ended", Integer, nullable=False, server_default="0"),
    Column("version", BigInteger, nullable=False, server_default="0", comment="grows with every transition"),
    Column("last_seq", Integer, nullable=False, comment="of its newest event"),
    Column("status_seq", Integer, nullable=False, comment="of its newest event that audit is told of"),
    Column(
        "audited_seq", Integer, nullable=False, server_default="0", comment="audit has the events up to here"
    ),
    Column("unaudited", Boolean, nullable=False, comment="status_seq > audited_seq"),
    Index("ix_runs_workflow_id", "workflow_id", "id"),
    Index("ix_runs_workflow_name", "workflow_name", "id"),
    Index("ix_runs_started_by", "started_by", "id"),
    Index("ix_runs_live", "id", postgresql_where=text("status IN ('PENDING', 'RUNNING')")),
    Index("ix_runs_unsuccessful", "id", postgresql_where=text("status IN ('FAILED', 'ABORTED')")),
    Index("ix_runs_unaudited", "id", postgresql_where=text("unaudited")),
    **_ROOM,
)

run_steps: Final = Table(
    "run_steps",
    metadata,
    _run_id(),
    Column("step_id", Text, nullable=False),
    Column("kind", Text, nullable=False, comment="the component's type"),
    Column("status", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("inputs", LargeBinary),
    Column("output", LargeBinary),
    Column("error", JSONB),
    _time("started_at"),
    _time("ended_at"),
    _time("due_at"),
    Column("worker_id", Text, nullable=False),
    _time("deadline_at"),
    Column("stopping", Boolean, nullable=False),
    Column("lines", Integer, nullable=False, server_default="0", comment="recorded of its newest attempt"),
    PrimaryKeyConstraint("run_id", "step_id"),
    Index("ix_run_steps_ready", "kind", "due_at", postgresql_where=text("status = 'READY'")),
    Index("ix_run_steps_stopping", "worker_id", postgresql_where=text("stopping")),
    **_ROOM,
)

attempts: Final = Table(
    "attempts",
    metadata,
    _run_id(),
    Column("step_id", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("worker_id", Text, nullable=False),
    Column("isolation", Text, nullable=False),
    Column("status", Text, comment="absent while it runs"),
    Column("error", JSONB),
    _time("started_at", required=True),
    _time("ended_at"),
    _time("lease_expires_at"),
    _time("deadline_at"),
    PrimaryKeyConstraint("run_id", "step_id", "number"),
    Index("ix_attempts_live", "worker_id", postgresql_where=text("ended_at IS NULL")),
    **_ROOM,
)

run_events: Final = Table(
    "run_events",
    metadata,
    _run_id(),
    Column("seq", Integer, nullable=False),
    _time("time", required=True),
    Column("kind", Text, nullable=False, comment="the event's field in mcpanel.engine.v1.RunEvent"),
    Column("body", LargeBinary, nullable=False, comment="the RunEvent without run_id, seq and time"),
    PrimaryKeyConstraint("run_id", "seq"),
)

artifacts: Final = Table(
    "artifacts",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    _run_id(),
    Column("step_id", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    _time("created_at", required=True),
    UniqueConstraint("run_id", "step_id", "name"),
    Index("ix_artifacts_run_id", "run_id", "id"),
    Index("ix_artifacts_sha256", "sha256"),
)

workers: Final = Table(
    "workers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kinds", ARRAY(Text), nullable=False),
    Column("slots", Integer, nullable=False),
    Column("isolation", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("draining", Boolean, nullable=False),
    _time("connected_at", required=True),
    _time("last_seen_at", required=True),
    Index("ix_workers_last_seen_at", "last_seen_at"),
)
