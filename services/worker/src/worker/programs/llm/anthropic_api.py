"""Anthropic's messages.

Its own structured output refuses much of JSON Schema (bounds, open objects): the schema is said in the system prompt
only, and the answer is checked as everybody's is.
"""

import json
from collections.abc import Iterator
from typing import Any

import anthropic

from .failing import connection_error, status_error
from .models import REFUSED, Answer, Listener, Message, ModelError, Request, Server, ToolCall, reason
from .start import starter

_NO_KEY = "none"
_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": REFUSED,
}


class Anthropic:
    """Speaks with one server."""

    def __init__(self, server: Server) -> None:
        self._client = anthropic.Anthropic(
            base_url=server.base_url or "https://api.anthropic.com",
            api_key=server.key or _NO_KEY,
            max_retries=0,  # repeated, and told of, by us
            timeout=server.silence,
            http_client=anthropic.DefaultHttpxClient(event_hooks=server.hooks),
        )

    def ask(self, request: Request, listener: Listener) -> Answer:
        """The answer, streamed. Raises ModelError."""
        try:
            with self._client.messages.create(**_arguments(request)) as stream:
                return _gather(stream, request, listener)
        except anthropic.APIStatusError as error:
            # What goes wrong in the midst of a stream comes with the status of its beginning.
            status = error.status_code if error.status_code >= 400 else 500
            raise status_error(status, error.body, error.response.headers) from None
        except anthropic.APIConnectionError as error:
            raise connection_error(error.__cause__ or error) from None
        except ModelError:
            raise
        except Exception as error:
            raise connection_error(error) from None


def _arguments(request: Request) -> dict[str, Any]:
    found: dict[str, Any] = {
        "model": request.model,
        "max_tokens": request.max_tokens,
        "messages": [{"role": one.role, "content": list(_content(one))} for one in request.messages],
        "stream": True,
    }
    sampling = {"temperature": request.temperature, "top_p": request.top_p, "top_k": request.top_k}
    found["extra_body"] = {name: value for name, value in sampling.items() if value is not None}
    if request.system:
        found["system"] = request.system
    if request.tools:
        found["tools"] = [
            {"name": one.name, "description": one.description, "input_schema": dict(one.schema)}
            for one in request.tools
        ]
    return found


def _content(message: Message) -> Iterator[dict[str, Any]]:
    for result in message.results:
        yield {
            "type": "tool_result",
            "tool_use_id": result.id,
            "content": result.content,
            "is_error": result.failed,
        }
    if message.text:
        yield {"type": "text", "text": message.text}
    for call in message.calls:
        yield {"type": "tool_use", "id": call.id, "name": call.name, "input": _object(call.arguments)}


def _object(text: str) -> dict[str, Any]:
    """The arguments as the protocol wants them again: an object, whatever the model had written."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _gather(stream: Any, request: Request, listener: Listener) -> Answer:
    """The whole answer. Raises ModelError where the stream ends before it."""
    answer = Answer(model=request.model)
    blocks: dict[int, dict[str, str]] = {}
    ended = False
    for event in stream:
        if event.type == "message_start":
            answer.model = event.message.model or answer.model
            answer.input_tokens = event.message.usage.input_tokens or 0
            listener.used(answer)
        elif event.type == "content_block_start" and event.content_block.type == "tool_use":
            blocks[event.index] = {
                "id": event.content_block.id,
                "name": event.content_block.name,
                "arguments": "",
            }
        elif event.type == "content_block_delta" and event.delta.type == "text_delta":
            answer.text += event.delta.text
            listener.said(event.delta.text)
        elif (
            event.type == "content_block_delta"
            and event.delta.type == "input_json_delta"
            and event.index in blocks
        ):
            blocks[event.index]["arguments"] += event.delta.partial_json
        elif event.type == "message_delta":
            answer.finish_reason = reason(event.delta.stop_reason, _REASONS)
            details = event.delta.stop_details
            if details and details.explanation and not answer.text:
                answer.text = details.explanation
                listener.said(details.explanation)
            answer.output_tokens = event.usage.output_tokens or 0
            listener.used(answer)
        elif event.type == "message_stop":
            ended = True
    if not ended:
        raise ModelError("the model's server ended its answer before it was complete")
    answer.calls = [
        ToolCall(one["id"], one["name"], one["arguments"] or "{}") for _, one in sorted(blocks.items())
    ]
    if answer.finish_reason == REFUSED:
        answer.refuse()
    return answer


run = starter(Anthropic)
