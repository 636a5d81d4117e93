"""Limits on the runs that run at once."""

from dataclasses import dataclass

from chassis import jsonvalue
from chassis.errors import Invalid
from chassis.expressions import EvaluationError, Template
from engine.domain import Payload


@dataclass(frozen=True, slots=True)
class Concurrency:
    """At most `limit` runs with the same key run at once; `policy` says what becomes of one more."""

    limit: int
    policy: str
    key: Template | None = None

    def key_for(self, workflow: str, inputs: Payload) -> str:
        """What a run shares the limit with. Raises Invalid RUN_INPUT_INVALID when the inputs make no key."""
        if self.key is None:
            return workflow
        try:
            value = self.key.evaluate({"inputs": inputs.value})
        except EvaluationError as error:
            raise Invalid(
                "RUN_INPUT_INVALID", f"the workflow's concurrency key cannot be evaluated: {error}"
            ) from None
        text = value if isinstance(value, str) else jsonvalue.canonical(value).decode()
        if len(text) > 500:
            raise Invalid(
                "RUN_INPUT_INVALID",
                f"the workflow's concurrency key has {len(text)} characters, more than 500",
            )
        return f"{workflow}:{text}"
