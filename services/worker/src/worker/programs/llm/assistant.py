"""An assistant: asked, it calls its tools until it has an answer, within its turns and its budget."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import mcpanel_step

from ..failures import Failed  # noqa: TID252, RUF100
from . import structured, templates
from .budget import Budget
from .calls import Told
from .conversation import Conversation
from .models import Answer, Message, ToolCall, ToolResult
from .tools import Policy, RefusedError, as_text, make

_TURNS = 8
_CALLS_AT_ONCE = 20
_CALLS = 5_000
_ROLES = ("user", "assistant")


def run(config: dict[str, Any], inputs: dict[str, Any], conversation: Conversation) -> dict[str, Any]:
    """The output of an assistant's step. Raises Failed."""
    schema = config.get("response_schema")
    if schema is not None:
        structured.check(schema)
    system = templates.render("systemPrompt", config.get("system_prompt", ""), inputs)
    system = structured.instruction(system, schema)
    template = config.get("user_prompt_template", "")
    if not template and not str(inputs.get("message", "")).strip():
        raise Failed("the input 'message' is missing or empty; give what is asked", "INVALID_INPUT")
    text = templates.user_prompt(template or "{{ message }}", inputs)
    messages = [*_before(inputs), Message("user", text)]
    policy = Policy(make(config))
    talk = _Talk(config, conversation, policy, system)
    answer = talk.go_on(messages)
    output: dict[str, Any] = {}
    if schema is not None:
        answer, output["data"] = structured.fit(talk.ask, messages, answer, schema)
    return {
        "completion": answer.text,
        **output,
        "turns": talk.turns,
        "tool_calls": talk.made,
        "usage": {**conversation.usage(), "called": asdict(conversation.called)},
        "model": answer.model,
        "finish_reason": answer.finish_reason,
    }


def _before(inputs: dict[str, Any]) -> list[Message]:
    """What was said before, from the input `messages`. Raises Failed."""
    found = inputs.get("messages", [])
    if not isinstance(found, list):
        raise Failed("the input 'messages' must be a list of {role, content}", "INVALID_INPUT")
    messages = []
    for number, one in enumerate(found):
        if (
            not isinstance(one, dict)
            or one.get("role") not in _ROLES
            or not isinstance(one.get("content"), str)
        ):
            raise Failed(
                f"the input 'messages[{number}]' must have a role, user or assistant, and a content, which is text",
                "INVALID_INPUT",
            )
        messages.append(Message(one["role"], one["content"]))
    return messages


class _Talk:
    """The turns, and the calls made in them."""

    def __init__(
        self, config: dict[str, Any], conversation: Conversation, policy: Policy, system: str
    ) -> None:
        self._system = system
        self._schema = config.get("response_schema")
        self._most_turns = config.get("max_turns") or _TURNS
        self._budget = Budget(config, conversation)
        self._conversation = conversation
        self._policy = policy
        self.turns = 0
        """How often the model was asked."""
        self.made: list[dict[str, Any]] = []
        """Every call, in order: its tool, its arguments, and the error where there was one."""

    def ask(self, messages: list[Message]) -> Answer:
        """What the model says in one more turn. Raises Failed when there is none left, or no budget for it."""
        if self.turns >= self._most_turns:
            raise Failed(
                f"the assistant had no answer after {self.turns} turns and {len(self.made)} calls; "
                "raise maxTurns, or ask for less"
            )
        left = self._budget.tokens()
        self.turns += 1
        specs = self._policy.specs()
        return self._conversation.ask(
            messages, system=self._system, schema=self._schema, tools=specs, max_tokens=left
        )

    def go_on(self, messages: list[Message]) -> Answer:
        """The first answer that calls nothing; `messages` grow. Raises Failed."""
        while True:
            answer = self.ask(messages)
            if not answer.calls:
                return answer
            mcpanel_step.progress(
                self.turns / self._most_turns, f"turn {self.turns} of {self._most_turns} at most"
            )
            if len(self.made) + len(answer.calls) > _CALLS:
                raise Failed(f"the model asked for more than {_CALLS:,} calls; tell it to make fewer")
            messages.append(Message("assistant", answer.text, calls=answer.calls))
            messages.append(
                Message("user", results=[self._call(number, one) for number, one in enumerate(answer.calls)])
            )

    def _call(self, number: int, call: ToolCall) -> ToolResult:
        """What a call came to, decided about before it is made."""
        record: dict[str, Any] = {"tool": call.name[:100], "arguments": call.arguments[:2000]}
        self.made.append(record)
        told = Told(len(self.made), record["tool"])
        try:
            if number >= _CALLS_AT_ONCE:
                raise RefusedError(f"more than {_CALLS_AT_ONCE} calls at once")
            tool, record["arguments"] = self._policy.decide(call)
        except RefusedError as error:
            told.refused(record["arguments"], str(error))
            return _nothing(call, record, error)
        try:
            budget = self._budget.left()
        except Failed as error:
            told.refused(record["arguments"], str(error))
            raise
        told.allowed(record["arguments"])
        try:
            found = tool.call(record["arguments"], budget)
            self._count(found.usage)
            result = as_text(found.value)
        except RefusedError as error:
            self._count(error.usage)
            told.failed(str(error), error.run_id)
            return _nothing(call, record, error)
        except Exception as error:
            told.failed(f"{type(error).__name__}: {error}")
            raise
        told.answered(f"{len(result):,} characters", found.run_id)
        return ToolResult(call.id, call.name, result)

    def _count(self, used: Mapping[str, Any] | None) -> None:
        if used is not None:
            self._conversation.called.add(used)


def _nothing(call: ToolCall, record: dict[str, Any], error: RefusedError) -> ToolResult:
    """What the model is told of a call that was not made or failed."""
    record["error"] = str(error)[:1000]
    return ToolResult(call.id, call.name, f"error: {error}", failed=True)
