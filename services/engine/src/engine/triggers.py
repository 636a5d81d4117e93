"""Triggers: what starts a run when something happens, how they change, and what inputs they make. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from chassis import jsonvalue
from chassis.errors import FieldViolation, Invalid, Precondition
from chassis.expressions import EvaluationError, ExpressionError, Template
from chassis.jsonvalue import Json
from chassis.vault import Sealed
from engine import standing
from engine.standing import Standing

KIND: Final = "trigger"
TARGET: Final = frozenset({"workflow", "workflow_version", "inputs"})
CHANGEABLE: Final = TARGET | {"description", "paused", "run_end"}
LONGEST_CHAIN: Final = 20
"""How many runs may follow one that was started otherwise, each started by the end of the one before."""
MAX_BODY: Final = 256 * 1024
"""The largest body of a webhook's message, in bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger(Standing):
    """A trigger: a webhook when it has a `signature`, else about the ends of a workflow's runs."""

    signature: str = ""
    ciphertext: bytes | None = None
    wrapped_key: bytes | None = None
    key_version: int | None = None
    old_ciphertext: bytes | None = None
    old_wrapped_key: bytes | None = None
    old_key_version: int | None = None
    old_until: datetime | None = None
    source_workflow_id: str = ""
    source_workflow_name: str = ""
    source_statuses: tuple[str, ...] = ()

    @property
    def is_webhook(self) -> bool:
        """Whether messages start its runs."""
        return bool(self.signature)

    def secrets(self, now: datetime) -> list[Sealed]:
        """The secrets that are good now, the newest first."""
        found = [_sealed(self.ciphertext, self.wrapped_key, self.key_version)]
        if self.old_until is not None and now < self.old_until:
            found.append(_sealed(self.old_ciphertext, self.old_wrapped_key, self.old_key_version))
        return [one for one in found if one is not None]

    def with_secret(self, sealed: Sealed, old_until: datetime | None = None) -> "Trigger":
        """The trigger with another secret; the one before is good until `old_until`."""
        new = replace(
            self, ciphertext=sealed.ciphertext, wrapped_key=sealed.wrapped_key, key_version=sealed.key_version
        )
        kept = old_until is not None
        return replace(
            new,
            old_ciphertext=self.ciphertext if kept else None,
            old_wrapped_key=self.wrapped_key if kept else None,
            old_key_version=self.key_version if kept else None,
            old_until=old_until,
        )

    def facts(self) -> dict[str, Any]:
        """What the action log keeps of it."""
        return {
            "name": self.name,
            "workflow": self.workflow_name,
            "workflow_version": self.workflow_version,
            "inputs": standing.shown(jsonvalue.parse(self.inputs)),
            "signature": self.signature,
            "source_workflow": self.source_workflow_name,
            "source_statuses": list(self.source_statuses),
            "paused": self.paused,
            "description": self.description,
            "owner_id": self.owner_id,
        }


def checked(trigger: Trigger) -> Trigger:
    """The trigger, its expressions read. Raises Invalid INVALID_FIELD naming what is wrong."""
    if not trigger.is_webhook and not trigger.source_workflow_id:
        raise _invalid("trigger.source", "is required: webhook or run_end")
    try:
        _template(trigger)
    except ExpressionError as error:
        path = ".".join(("trigger.inputs", *error.path))
        raise _invalid(path, f"cannot be read: {error}") from None
    return trigger


def change(old: Trigger, sent: Mapping[str, Any], fields: Collection[str], now: datetime) -> Trigger:
    """The trigger with the sent values of `fields` (columns by field); the same one when nothing changes."""
    if "run_end" in fields and old.is_webhook:
        raise _invalid("trigger.run_end", "cannot be set: the trigger is a webhook; create another one")
    values = {name: value for field in fields for name, value in sent.get(field, {}).items()}
    changed = checked(replace(old, **values))
    if changed == old:
        return old
    return replace(changed, revision=old.revision + 1, updated_at=now)


def not_a_webhook(trigger: Trigger) -> Precondition:
    """It has no secret."""
    return Precondition(
        "NOT_A_WEBHOOK",
        f"trigger '{trigger.name}' is no webhook; it has no secret",
        resource=(KIND, trigger.name),
    )


def inputs_for(trigger: Trigger, happened: Json) -> dict[str, Json]:
    """The inputs of the run that starts because of what happened: a webhook's body, or the run that ended.

    Raises Invalid RUN_INPUT_INVALID when an expression fails.
    """
    template = jsonvalue.parse_object(trigger.inputs)
    if trigger.is_webhook and not template and isinstance(happened, dict):
        return happened
    root = "body" if trigger.is_webhook else "run"
    try:
        made = _template(trigger).evaluate({root: happened})
    except (EvaluationError, ExpressionError) as error:
        path = ".".join(("inputs", *error.path))
        raise Invalid(
            "RUN_INPUT_INVALID", f"{path}: {error}", fields=[FieldViolation(path, str(error))]
        ) from None
    return made if isinstance(made, dict) else {}


def last_start(time_: str, cause: str, run_id: str, error: str) -> dict[str, str]:
    """What a trigger did, as it keeps it."""
    return {"time": time_, "cause": cause, "run_id": run_id, "error": error}


def check_depth(depth: int, run_id: str) -> None:
    """Raises Precondition CHAIN_TOO_LONG when `depth` runs in a row led to the run `run_id`: none follows it."""
    if depth >= LONGEST_CHAIN:
        raise Precondition(
            "CHAIN_TOO_LONG",
            f"run '{run_id}' is the last of {depth + 1} runs in a row that started each other; none follows it",
            metadata={"depth": str(depth)},
            resource=("run", run_id),
        )


def _template(trigger: Trigger) -> Template:
    return Template.parse(jsonvalue.parse(trigger.inputs), ("body",) if trigger.is_webhook else ("run",))


def _sealed(ciphertext: bytes | None, wrapped_key: bytes | None, version: int | None) -> Sealed | None:
    if ciphertext is None or wrapped_key is None or version is None:
        return None
    return Sealed(bytes(ciphertext), bytes(wrapped_key), version)


def _invalid(field: str, why: str) -> Invalid:
    return Invalid("INVALID_FIELD", f"{field} {why}", fields=[FieldViolation(field, why)])
