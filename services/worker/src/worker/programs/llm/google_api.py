"""Google's Gemini API."""

import json
from collections.abc import Iterator
from typing import Any

from google import genai
from google.genai import errors, types

from .failing import blocked_error, connection_error, status_error
from .models import REFUSED, Answer, Listener, Message, ModelError, Request, Server, ToolCall, reason
from .start import starter

_NO_KEY = "none"
_REASONS = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    **dict.fromkeys(("SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII"), REFUSED),
}


class Google:
    """Speaks with one server."""

    def __init__(self, server: Server) -> None:
        self._client = genai.Client(
            api_key=server.key or _NO_KEY,
            vertexai=False,
            http_options=types.HttpOptions(
                base_url=server.base_url or "https://generativelanguage.googleapis.com",
                client_args={"event_hooks": server.hooks},
                timeout=max(1, int(server.silence * 1000)),
                retry_options=types.HttpRetryOptions(attempts=1),  # repeated, and told of, by us
            ),
        )

    def ask(self, request: Request, listener: Listener) -> Answer:
        """The answer, streamed. Raises ModelError."""
        try:
            stream = self._client.models.generate_content_stream(
                model=request.model,
                contents=[_content(one) for one in request.messages],
                config=_settings(request),
            )
            return _gather(stream, request, listener)
        except errors.APIError as error:
            headers = getattr(error.response, "headers", None) or {}
            raise status_error(error.code or 500, {"message": error.message}, headers) from None
        except ModelError:
            raise
        except Exception as error:
            raise connection_error(error) from None


def _settings(request: Request) -> types.GenerateContentConfig:
    schema = (
        None if request.tools else request.schema
    )  # some models take either, and none is lost: see `structured`
    return types.GenerateContentConfig(
        system_instruction=request.system or None,
        max_output_tokens=request.max_tokens,
        temperature=0.7 if request.temperature is None else request.temperature,
        top_p=request.top_p,
        top_k=request.top_k,
        response_mime_type=None if schema is None else "application/json",
        response_json_schema=None if schema is None else dict(schema),
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        tools=[types.Tool(function_declarations=list(_declarations(request)))] if request.tools else None,
    )


def _declarations(request: Request) -> Iterator[types.FunctionDeclaration]:
    for one in request.tools:
        yield types.FunctionDeclaration(
            name=one.name, description=one.description, parameters_json_schema=dict(one.schema)
        )


def _content(message: Message) -> types.Content:
    parts = [
        types.Part.from_function_response(name=one.name, response={"result": one.content})
        for one in message.results
    ]
    if message.text:
        parts.append(types.Part.from_text(text=message.text))
    for call in message.calls:
        part = types.Part.from_function_call(name=call.name, args=_object(call.arguments))
        part.thought_signature = call.signature or None
        parts.append(part)
    return types.Content(role="model" if message.role == "assistant" else "user", parts=parts)


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _gather(stream: Any, request: Request, listener: Listener) -> Answer:
    """The whole answer. Raises ModelError where the stream ends before it, or the prompt is blocked."""
    answer = Answer(model=request.model)
    blocked = None
    for chunk in stream:
        answer.model = chunk.model_version or answer.model
        if usage := chunk.usage_metadata:
            answer.input_tokens = usage.prompt_token_count or 0
            answer.output_tokens = (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)
            listener.used(answer)
        if chunk.prompt_feedback and chunk.prompt_feedback.block_reason:
            blocked = chunk.prompt_feedback
        for candidate in (chunk.candidates or ())[:1]:
            for part in (candidate.content.parts or ()) if candidate.content else ():
                _take(part, answer, listener)
            if candidate.finish_reason:
                answer.finish_reason = reason(candidate.finish_reason, _REASONS)
    if blocked and not answer.finish_reason:
        raise blocked_error(
            str(getattr(blocked.block_reason, "value", blocked.block_reason)), blocked.block_reason_message
        )
    if not answer.finish_reason:
        raise ModelError("the model's server ended its answer before it was complete")
    if answer.finish_reason == REFUSED:
        answer.refuse()
    if answer.calls:
        answer.finish_reason = "tool_calls"
    return answer


def _take(part: Any, answer: Answer, listener: Listener) -> None:
    if part.text and not part.thought:
        answer.text += part.text
        listener.said(part.text)
    if part.function_call:
        call = part.function_call
        name = call.name or ""
        arguments = json.dumps(call.args or {}, ensure_ascii=False)
        number = len(answer.calls)
        answer.calls.append(
            ToolCall(call.id or f"call_{number}", name, arguments, part.thought_signature or b"")
        )


run = starter(Google)
