"""The engine's tables: a row for each run, each step that has left PENDING, each attempt and each event."""

from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    Index,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
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


def _time(name: str, *, required: bool = False, comment: str | None = None) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=not required, comment=comment)


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
    Column(
        "started_through",
        JSONB,
        nullable=False,
        server_default="{}",
        comment="the key, session, client and request that started it, as audit's Actor names them",
    ),
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
    Column("begun", Boolean, nullable=False, server_default="true"),
    _time("start_at", comment="not before"),
    _time("deadline_at", comment="it is to have ended by then"),
    _time("wake_at", comment="when time alone changes something"),
    Column(
        "limit_key",
        Text,
        nullable=False,
        server_default="",
        comment="what it shares its concurrency limit with",
    ),
    Column(
        "limit_count", Integer, nullable=False, server_default="0", comment="how many may run under that key"
    ),
    Column(
        "admitted", Boolean, nullable=False, server_default="true", comment="it has a place under its limit"
    ),
    Column(
        "pauses",
        ARRAY(DateTime(timezone=True)),
        nullable=False,
        server_default="{}",
        comment="when it was paused and when it went on, in turn",
    ),
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("run_key", Text, nullable=False, server_default="", comment="the caller's own name for it"),
    Column("rerun_of", Uuid(as_uuid=False)),
    Column(
        "rerun_from", ARRAY(Text), nullable=False, server_default="{}", comment="the steps that run again"
    ),
    Column("triggered_by", Text, nullable=False, server_default="", comment="e.g. schedule:<id>"),
    Column(
        "budget", JSONB(none_as_null=True), comment="of a call: tokens and cost, what its caller has left"
    ),
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
    Index("ix_runs_live", "id", postgresql_where=text("status IN ('PENDING', 'RUNNING', 'PAUSED')")),
    Index("ix_runs_going", "id", postgresql_where=text("status IN ('RUNNING', 'PAUSED')")),
    Index("ix_runs_wake_at", "wake_at", postgresql_where=text("wake_at IS NOT NULL")),
    Index(
        "ix_runs_limit_key",
        "limit_key",
        "id",
        postgresql_where=text("limit_key <> '' AND status IN ('PENDING', 'RUNNING', 'PAUSED')"),
    ),
    Index("ix_runs_run_key", "workflow_id", "run_key", "id", postgresql_where=text("run_key <> ''")),
    Index("ix_runs_by_key", "run_key", "id", postgresql_where=text("run_key <> ''")),
    Index("ix_runs_limited", "limit_key", "id", postgresql_where=text("limit_key <> ''")),
    Index("ix_runs_triggered_by", "triggered_by", "id", postgresql_where=text("triggered_by <> ''")),
    Index("ix_runs_rerun_of", "rerun_of", postgresql_where=text("rerun_of IS NOT NULL")),
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
    Column("lane", Text, nullable=False, server_default="", comment="which workers may have it"),
    Column("priority", Integer, nullable=False, server_default="0"),
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
    _time("expires_at", comment="when its waiting, or a sub-workflow, is ended"),
    Column("gate", Text, nullable=False, server_default="", comment="what else has to let it through"),
    _time("not_before", comment="its place in a rate limit's queue, which lets it through no earlier"),
    Column(
        "cache_digest", Text, nullable=False, server_default="", comment="whose computation others wait for"
    ),
    Column("copied_from", Text, nullable=False, server_default="", comment="the run whose output it has"),
    Column("message", Text, nullable=False, server_default="", comment="what whoever decides is told"),
    Column(
        "approvers", ARRAY(Text), nullable=False, server_default="{}", comment="who may decide; empty: all"
    ),
    Column("decision", JSONB),
    Column("version", Integer, comment="the run's when this was written, where its steps may be many"),
    PrimaryKeyConstraint("run_id", "step_id"),
    Index(
        "ix_run_steps_ready",
        "lane",
        text("priority DESC"),
        "due_at",
        postgresql_where=text("status = 'READY' AND due_at IS NOT NULL"),
    ),
    Index(
        "ix_run_steps_gate",
        "gate",
        text("priority DESC"),
        text("not_before NULLS FIRST"),
        "run_id",
        "step_id",
        postgresql_where=text("gate <> '' AND due_at IS NULL"),
    ),
    Index("ix_run_steps_moments", "gate", postgresql_where=text("gate <> '' AND due_at IS NOT NULL")),
    Index("ix_run_steps_undecided", "run_id", postgresql_where=text("status = 'WAITING_APPROVAL'")),
    Index("ix_run_steps_stopping", "worker_id", postgresql_where=text("stopping")),
    Index("ix_run_steps_version", "run_id", "version", postgresql_where=text("version IS NOT NULL")),
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
    _time("queued_at", comment="since when a worker might have had it"),
    _time("started_at", required=True),
    _time("ended_at"),
    _time("lease_expires_at"),
    _time("deadline_at"),
    Column("limits", LargeBinary, comment="what it was held to, mcpanel.engine.v1.Limits"),
    PrimaryKeyConstraint("run_id", "step_id", "number"),
    Column("usage", JSONB, comment="of a language model: model, input_tokens, output_tokens, cost"),
    Index("ix_attempts_usage", "run_id", postgresql_where=text("usage IS NOT NULL")),
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
    Column("step_id", Text, comment="of a line, as are those that follow"),
    Column("attempt", Integer),
    Column("level", SmallInteger, comment="the graver, the higher: engine.domain.LEVELS"),
    Column("stream", Text),
    Column("line", Text, comment="to search in; NUL is replaced"),
    PrimaryKeyConstraint("run_id", "seq"),
    Index("ix_run_events_lines", "run_id", "step_id", "seq", postgresql_where=text("kind = 'log'")),
    Index("ix_run_events_grave", "run_id", "seq", postgresql_where=text("level >= 30")),
    postgresql_partition_by="RANGE (run_id)",
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
    Column("preview", Text, nullable=False, server_default="", comment="of a step's output: how it begins"),
    Column("items", JSONB, comment="of a step's output: the lengths of its lists by JSON Pointer"),
    Column("kinds", JSONB, comment="of a step's output: what its parts are by JSON Pointer"),
    UniqueConstraint("run_id", "step_id", "name"),
    Index("ix_artifacts_run_id", "run_id", "id"),
    Index("ix_artifacts_sha256", "sha256"),
)

run_ends: Final = Table(
    "run_ends",
    metadata,
    Column("workflow_id", Text, nullable=False),
    Column("workflow_name", Text, nullable=False),
    Column("is_public", Boolean, nullable=False),
    Column("owner_id", Text, nullable=False),
    Column("started_by", Text, nullable=False),
    Column("status", Text, nullable=False),
    _time("ended_at", required=True),
    Column("milliseconds", BigInteger, nullable=False, comment="from accepted to ended"),
    comment="runs that ended lately, until they are counted in run_counts",
)

run_counts: Final = Table(
    "run_counts",
    metadata,
    Column("span", Text, nullable=False, comment="hour, day or all"),
    _time("since", required=True, comment="the beginning of the span, UTC, in which they ended"),
    Column("workflow_id", Text, nullable=False),
    Column("workflow_name", Text, nullable=False),
    Column("is_public", Boolean, nullable=False),
    Column("owner_id", Text, nullable=False, comment="of private ones; else empty"),
    Column("started_by", Text, nullable=False, comment="of private ones; else empty"),
    Column("status", Text, nullable=False),
    Column("bucket", SmallInteger, nullable=False, comment="of their durations: engine.counting; -1: none"),
    Column("runs", BigInteger, nullable=False),
    PrimaryKeyConstraint(
        "span",
        "since",
        "workflow_id",
        "workflow_name",
        "is_public",
        "owner_id",
        "started_by",
        "status",
        "bucket",
    ),
)

step_cache: Final = Table(
    "step_cache",
    metadata,
    Column("digest", Text, primary_key=True, comment="SHA-256 of version, inputs and key"),
    _run_id(),
    Column("step_id", Text, nullable=False, comment="the step that computed it, or does"),
    Column("output", LargeBinary, comment="absent while it is computed"),
    _time("created_at", required=True),
    _time("expires_at"),
    Column(
        "contents",
        ARRAY(Text),
        nullable=False,
        server_default="{}",
        comment="the SHA-256 of what it refers to",
    ),
    Index("ix_step_cache_contents", "contents", postgresql_using="gin"),
    Index("ix_step_cache_expires_at", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
)

rate_limits: Final = Table(
    "rate_limits",
    metadata,
    Column("key", Text, primary_key=True),
    _time("next_at", required=True, comment="the next moment that nobody has"),
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
    Column("pool", Text, nullable=False, server_default=""),
    Column("labels", ARRAY(Text), nullable=False, server_default="{}"),
    Column("cpus", Float, nullable=False, server_default="0"),
    Column("memory_bytes", BigInteger, nullable=False, server_default="0"),
    Column("drained", Boolean, nullable=False, server_default="false", comment="somebody drained it"),
    Column("version", Text, nullable=False, server_default="", comment="of its software"),
    Column(
        "engine_version", Text, nullable=False, server_default="", comment="of the engine it is connected to"
    ),
    _time("connected_at", required=True),
    _time("last_seen_at", required=True),
    Index("ix_workers_last_seen_at", "last_seen_at"),
)


def _standing() -> list[Column[Any]]:
    """What schedules and triggers have in common: what they start, for whom, and what became of it."""
    return [
        Column("id", Uuid(as_uuid=False), primary_key=True),
        Column("name", Text, nullable=False, unique=True),
        Column("description", Text, nullable=False),
        Column("workflow_id", Text, nullable=False),
        Column("workflow_name", Text, nullable=False),
        Column("workflow_version", Integer, nullable=False, comment="0: the newest whenever a run starts"),
        Column(
            "is_public", Boolean, nullable=False, comment="whether the workflow was, when that was last seen"
        ),
        Column("workflow_owner_id", Text, nullable=False),
        Column("inputs", LargeBinary, nullable=False, comment="canonical JSON"),
        Column("paused", Boolean, nullable=False),
        Column("owner_id", Text, nullable=False),
        Column(
            "owner_is_admin",
            Boolean,
            nullable=False,
            comment="whether it was made with an administrator's rights",
        ),
        Column("last", JSONB, comment="what it did last"),
        Column("revision", Integer, nullable=False, comment="grows with every change by people"),
        _time("created_at", required=True),
        _time("updated_at", required=True),
    ]


schedules: Final = Table(
    "schedules",
    metadata,
    *_standing(),
    Column("cron", Text, nullable=False, server_default="", comment="empty: by interval"),
    Column("time_zone", Text, nullable=False, server_default=""),
    Column("every", Interval, comment="absent: by cron"),
    _time("anchor_at"),
    _time("start_at"),
    _time("end_at"),
    Column("catch_up", Text, nullable=False),
    _time(
        "next_fire_at", comment="the earliest fire time nothing was decided about; absent: it fires no more"
    ),
    Column("skipped_count", Integer, nullable=False, server_default="0"),
    Column("tries", Integer, nullable=False, server_default="0", comment="in vain, for next_fire_at"),
    _time("retry_at", comment="not tried again before then"),
    Column("waiting_for", Text, nullable=False, server_default=""),
    Index("ix_schedules_next_fire_at", "next_fire_at", postgresql_where=text("next_fire_at IS NOT NULL")),
)

schedule_fires: Final = Table(
    "schedule_fires",
    metadata,
    Column("schedule_id", Uuid(as_uuid=False), nullable=False),
    _time("fire_time", required=True),
    _time("time", required=True, comment="when it was acted upon"),
    Column("run_id", Uuid(as_uuid=False)),
    Column("error", Text, nullable=False, server_default=""),
    PrimaryKeyConstraint("schedule_id", "fire_time"),
    Index("ix_schedule_fires_time", "time"),
)

triggers: Final = Table(
    "triggers",
    metadata,
    *_standing(),
    Column("signature", Text, nullable=False, server_default="", comment="of a webhook: STANDARD or HUB"),
    Column("ciphertext", LargeBinary),
    Column("wrapped_key", LargeBinary),
    Column("key_version", Integer),
    Column("old_ciphertext", LargeBinary),
    Column("old_wrapped_key", LargeBinary),
    Column("old_key_version", Integer),
    _time("old_until", comment="the old secret is good until then"),
    Column("source_workflow_id", Text, nullable=False, server_default="", comment="whose runs' ends count"),
    Column("source_workflow_name", Text, nullable=False, server_default=""),
    Column("source_statuses", ARRAY(Text), nullable=False, server_default="{}"),
    Index("ix_triggers_source", "source_workflow_id", postgresql_where=text("source_workflow_id <> ''")),
)

webhook_messages: Final = Table(
    "webhook_messages",
    metadata,
    Column("trigger_id", Uuid(as_uuid=False), nullable=False),
    Column("message_id", Text, nullable=False),
    Column("run_id", Uuid(as_uuid=False)),
    _time("received_at", required=True),
    PrimaryKeyConstraint("trigger_id", "message_id"),
    Index("ix_webhook_messages_received_at", "received_at"),
)

follow_ups: Final = Table(
    "follow_ups",
    metadata,
    Column("trigger_id", Uuid(as_uuid=False), nullable=False),
    Column("run_id", Uuid(as_uuid=False), nullable=False, comment="the run that ended"),
    _time("ended_at", required=True),
    Column("started_run_id", Uuid(as_uuid=False)),
    Column(
        "depth",
        Integer,
        nullable=False,
        server_default="0",
        comment="how many runs started each other up to it",
    ),
    Column("error", Text, nullable=False, server_default=""),
    Column("tries", Integer, nullable=False, server_default="0"),
    _time("retry_at", required=True, comment="not looked at before then"),
    Column("settled", Boolean, nullable=False, server_default="false"),
    PrimaryKeyConstraint("trigger_id", "run_id"),
    Index("ix_follow_ups_unsettled", "retry_at", postgresql_where=text("NOT settled")),
    Index(
        "ix_follow_ups_started_run_id", "started_run_id", postgresql_where=text("started_run_id IS NOT NULL")
    ),
)

app_visits: Final = Table(
    "app_visits",
    metadata,
    Column(
        "digest", LargeBinary, primary_key=True, comment="SHA-256 of the ticket or of what the cookie holds"
    ),
    Column("is_ticket", Boolean, nullable=False, comment="good once, for what the cookie holds"),
    _run_id(),
    Column("step_id", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("user_id", Text, nullable=False, comment="who opened the app"),
    Column("session_id", Text, nullable=False, comment="empty where it was opened with a key"),
    _time("expires_at", required=True),
    Index("ix_app_visits_expires_at", "expires_at"),
)

component_calls: Final = Table(
    "component_calls",
    metadata,
    _run_id(),
    Column("step_id", Text, nullable=False),
    Column("epoch", Integer, nullable=False, comment="of the attempt that calls"),
    Column("number", Integer, nullable=False, comment="of the call in the attempt, from 1"),
    Column("started_run_id", Uuid(as_uuid=False), comment="the run that the call is"),
    Column(
        "is_open",
        Boolean,
        nullable=False,
        server_default="false",
        comment="that run is not known to have ended",
    ),
    PrimaryKeyConstraint("run_id", "step_id", "epoch", "number"),
    Index(
        "ix_component_calls_started_run_id",
        "started_run_id",
        postgresql_where=text("started_run_id IS NOT NULL"),
    ),
    Index("ix_component_calls_open", "run_id", postgresql_where=text("is_open")),
)
