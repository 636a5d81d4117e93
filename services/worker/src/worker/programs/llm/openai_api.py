"""OpenAI's chat completions, and the many servers that are compatible with them."""

from collections.abc import Iterator
from typing import Any

import openai

from .failing import connection_error, status_error
from .models import REFUSED, Answer, Listener, Message, ModelError, Request, Server, ToolCall
from .start import starter

_NO_KEY = "none"
_OWN = "api.openai.com"


class OpenAi:
    """Speaks with one server."""

    def __init__(self, server: Server) -> None:
        self._own = not server.base_url or _OWN in server.base_url
        self._client = openai.OpenAI(
            base_url=server.base_url or f"https://{_OWN}/v1",
            api_key=server.key or _NO_KEY,
            max_retries=0,  # repeated, and told of, by us
            timeout=server.silence,
            http_client=openai.DefaultHttpxClient(event_hooks=server.hooks),
        )

    def ask(self, request: Request, listener: Listener) -> Answer:
        """The answer, streamed. Raises ModelError."""
        try:
            with self._client.chat.completions.create(**self._arguments(request)) as stream:
                return _gather(stream, request, listener)
        except openai.APIStatusError as error:
            raise status_error(error.status_code, error.body, error.response.headers) from None
        except openai.APIConnectionError as error:
            raise connection_error(error.__cause__ or error) from None
        except openai.APIError as error:  # an error in the midst of the stream
            raise status_error(500, error.message, {}) from None
        except Exception as error:
            raise connection_error(error) from None

    def _arguments(self, request: Request) -> dict[str, Any]:
        found: dict[str, Any] = {
            "model": request.model,
            "messages": list(_messages(request)),
            "max_completion_tokens" if self._own else "max_tokens": request.max_tokens,
            "temperature": 0.7 if request.temperature is None else request.temperature,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if request.top_p is not None:
            found["top_p"] = request.top_p
        if request.top_k is not None and not self._own:  # OpenAI itself has none
            found["extra_body"] = {"top_k": request.top_k}
        if request.schema is not None:
            found["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": dict(request.schema), "strict": False},
            }
        if request.tools:
            found["tools"] = [
                {
                    "type": "function",
                    "function": {
                        "name": one.name,
                        "description": one.description,
                        "parameters": dict(one.schema),
                    },
                }
                for one in request.tools
            ]
        return found


def _messages(request: Request) -> Iterator[dict[str, Any]]:
    if request.system:
        yield {"role": "system", "content": request.system}
    for message in request.messages:
        yield from _message(message)


def _message(message: Message) -> Iterator[dict[str, Any]]:
    for result in message.results:
        yield {"role": "tool", "tool_call_id": result.id, "content": result.content}
    if message.calls:
        calls = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.calls
        ]
        yield {"role": "assistant", "content": message.text or None, "tool_calls": calls}
    elif not message.results:
        yield {"role": message.role, "content": message.text}


def _gather(stream: Any, request: Request, listener: Listener) -> Answer:
    """The whole answer. Raises ModelError where the stream ends before it."""
    answer = Answer(model=request.model)
    calls: dict[int, dict[str, str]] = {}
    refused = False
    for chunk in stream:
        answer.model = chunk.model or answer.model
        if chunk.usage is not None:
            answer.input_tokens = chunk.usage.prompt_tokens or 0
            answer.output_tokens = chunk.usage.completion_tokens or 0
            listener.used(answer)
        for choice in chunk.choices or ():
            delta = choice.delta
            if delta is not None and delta.content:
                answer.text += delta.content
                listener.said(delta.content)
            if delta is not None and delta.refusal:
                refused = True
                answer.text += delta.refusal
                listener.said(delta.refusal)
            for part in (delta.tool_calls or ()) if delta is not None else ():
                _add(calls.setdefault(part.index or 0, {"id": "", "name": "", "arguments": ""}), part)
            answer.finish_reason = choice.finish_reason or answer.finish_reason
    if not answer.finish_reason:
        raise ModelError("the model's server ended its answer before it was complete")
    for number, call in sorted(calls.items()):
        answer.calls.append(ToolCall(call["id"] or f"call_{number}", call["name"], call["arguments"] or "{}"))
    if refused or answer.finish_reason == REFUSED:
        answer.refuse()
    return answer


def _add(call: dict[str, str], part: Any) -> None:
    call["id"] = part.id or call["id"]
    if part.function is not None:
        call["name"] += part.function.name or ""
        call["arguments"] += part.function.arguments or ""


run = starter(OpenAi)
