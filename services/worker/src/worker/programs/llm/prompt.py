"""A prompt, its answer, and what that took."""

from typing import Any

from . import structured, templates
from .conversation import Conversation
from .models import Answer, Message


def run(config: dict[str, Any], inputs: dict[str, Any], conversation: Conversation) -> dict[str, Any]:
    """The output of a prompt's step. Raises Failed."""
    schema = config.get("response_schema")
    if schema is not None:
        structured.check(schema)
    system = templates.render("systemPrompt", config.get("system_prompt", ""), inputs)
    text = templates.user_prompt(config.get("user_prompt_template", ""), inputs)
    system = structured.instruction(system, schema)
    messages = [Message("user", text)]

    def ask(messages: list[Message]) -> Answer:
        return conversation.ask(messages, system=system, schema=schema)

    answer = ask(messages)
    output: dict[str, Any] = {}
    if schema is not None:
        answer, output["data"] = structured.fit(ask, messages, answer, schema)
    return {
        "completion": answer.text,
        **output,
        "usage": conversation.usage(),
        "model": answer.model,
        "finish_reason": answer.finish_reason,
    }
