"""A fake of model servers: speaks OpenAI's, Anthropic's and Google's streaming protocols, and answers what a test says.

It listens on 127.77.0.1, where the local stack lets components reach. `script` has its replies in order, the last one
again and again; `heard` every request's path, headers and body.
"""

import contextlib
import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HOST = "127.77.0.1"
INPUT_TOKENS = 11
OUTPUT_TOKENS = 7


@dataclass
class Reply:
    """What the server does with one request."""

    pieces: Sequence[str] = ()
    """The answer's text, as it is streamed."""
    calls: Sequence[tuple[str, str]] = ()
    """Tools that the model wants called: names and arguments (JSON)."""
    status: int = 200
    retry_after: str = ""
    message: str = "as the test says"
    """What an error says."""
    page: str = ""
    """HTML, or what `kind` says, in place of the protocol's error or answer."""
    kind: str = "text/html"
    refusal: Sequence[str] = ()
    """The words of a model that refuses, which follow the pieces and the calls."""
    blocked: str = ""
    """Why the prompt is blocked, of which Google's protocol has a word; nothing else is answered then."""
    cut: bool = False
    """Whether the connection ends after the pieces, in the midst of the answer."""
    garbled: bool = False
    """Whether the answer's next part is no JSON."""
    hang: bool = False
    """Whether nothing follows the pieces, until the client goes."""
    endless: bool = False
    """Whether the last piece follows again and again, until the client goes."""

    @property
    def is_broken(self) -> bool:
        """Whether the answer is never complete."""
        return self.cut or self.garbled or self.hang or self.endless


@dataclass
class Heard:
    """A request."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class FakeModels:
    """The server, in threads of this process."""

    script: list[Reply] = field(default_factory=lambda: [Reply(["Hello", " you"])])
    heard: list[Heard] = field(default_factory=list)
    left: threading.Event = field(default_factory=threading.Event)
    """Set when a client has gone while it hung."""

    def __post_init__(self) -> None:
        fake = self

        class Handler(_Handler):
            models = fake

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self._server.daemon_threads = True
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.address = f"{HOST}:{self._server.server_port}"
        self.url = f"http://{self.address}"

    def reply_to(self, heard: Heard) -> Reply:
        """The next reply."""
        with self._lock:
            self.heard.append(heard)
            return self.script.pop(0) if len(self.script) > 1 else self.script[0]

    def close(self) -> None:
        """Stops it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    models: FakeModels
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base's name
        """Says nothing."""

    def do_POST(self) -> None:
        """Answers one request."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        heard = Heard(self.path, {key.lower(): value for key, value in self.headers.items()}, body)
        reply = self.models.reply_to(heard)
        if reply.status != 200 or reply.page:
            self._refuse(reply)
            return
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        protocol = _PROTOCOLS[heard.path.split("?")[0].rsplit("/", 1)[-1].rsplit(":", 1)[-1]]
        event = ""
        for event in protocol(reply, str(body.get("model", "gemini-fake"))):
            self._chunk(event)
        if reply.endless:
            with contextlib.suppress(OSError):
                while True:
                    self._chunk(event)
            self.models.left.set()
            self.close_connection = True
            return
        if reply.garbled:
            self._chunk("event: message_delta\ndata: {not JSON\n\n")
        if reply.hang:
            self.connection.settimeout(20)
            if self.rfile.read(1) == b"":
                self.models.left.set()
        if reply.cut or reply.hang:
            self.close_connection = True
            return
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, event: str) -> None:
        data = event.encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def _refuse(self, reply: Reply) -> None:
        error = {"type": "fake_error", "message": reply.message, "code": reply.status, "status": "FAKE"}
        data = reply.page.encode() or json.dumps({"type": "error", "error": error}).encode()
        self.send_response(reply.status)
        self.send_header("content-type", reply.kind if reply.page else "application/json")
        self.send_header("content-length", str(len(data)))
        if reply.retry_after:
            self.send_header("retry-after", reply.retry_after)
        self.end_headers()
        self.wfile.write(data)


def _openai(reply: Reply, model: str) -> Iterator[str]:
    def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> str:
        choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
        body = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": model}
        return f"data: {json.dumps({**body, 'choices': choices, **more})}\n\n"

    yield chunk({"role": "assistant", "content": ""})
    for piece in reply.pieces:
        yield chunk({"content": piece})
    if reply.is_broken:
        return
    for index, (name, arguments) in enumerate(reply.calls):
        half = len(arguments) // 2  # arguments come in pieces as well
        first = {"index": index, "id": f"call{index}", "type": "function"}
        yield chunk({"tool_calls": [{**first, "function": {"name": name, "arguments": arguments[:half]}}]})
        yield chunk({"tool_calls": [{"index": index, "function": {"arguments": arguments[half:]}}]})
    for piece in reply.refusal:
        yield chunk({"refusal": piece})
    yield chunk({}, "tool_calls" if reply.calls else "stop")
    total = INPUT_TOKENS + OUTPUT_TOKENS
    yield chunk(
        usage={"prompt_tokens": INPUT_TOKENS, "completion_tokens": OUTPUT_TOKENS, "total_tokens": total}
    )
    yield "data: [DONE]\n\n"


def _anthropic(reply: Reply, model: str) -> Iterator[str]:
    def event(kind: str, **more: Any) -> str:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **more})}\n\n"

    usage = {"input_tokens": INPUT_TOKENS, "output_tokens": 1}
    message = {"id": "m1", "type": "message", "role": "assistant", "model": model, "content": []}
    yield event("message_start", message={**message, "stop_reason": None, "usage": usage})
    yield event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    for piece in reply.pieces:
        yield event("content_block_delta", index=0, delta={"type": "text_delta", "text": piece})
    if reply.is_broken:
        return
    yield event("content_block_stop", index=0)
    for index, (name, arguments) in enumerate(reply.calls, 1):
        block = {"type": "tool_use", "id": f"call{index}", "name": name, "input": {}}
        yield event("content_block_start", index=index, content_block=block)
        yield event(
            "content_block_delta", index=index, delta={"type": "input_json_delta", "partial_json": arguments}
        )
        yield event("content_block_stop", index=index)
    delta: dict[str, Any] = {"stop_reason": "tool_use" if reply.calls else "end_turn"}
    if reply.refusal:
        details = {"type": "refusal", "category": None, "explanation": "".join(reply.refusal)}
        delta = {"stop_reason": "refusal", "stop_details": details}
    yield event("message_delta", delta=delta, usage={"output_tokens": OUTPUT_TOKENS})
    yield event("message_stop")


def _google(reply: Reply, model: str) -> Iterator[str]:
    def chunk(parts: list[dict[str, Any]], **more: Any) -> str:
        candidate = {"content": {"role": "model", "parts": parts}, "index": 0, **more}
        usage = {"promptTokenCount": INPUT_TOKENS, "candidatesTokenCount": OUTPUT_TOKENS}
        body = {"candidates": [candidate], "modelVersion": model, "usageMetadata": usage}
        return f"data: {json.dumps(body)}\r\n\r\n"

    if reply.blocked:
        feedback = {"blockReason": reply.blocked, "blockReasonMessage": reply.message}
        usage = {"promptTokenCount": INPUT_TOKENS}
        body = {"promptFeedback": feedback, "usageMetadata": usage, "modelVersion": model}
        yield f"data: {json.dumps(body)}\r\n\r\n"
        return
    for piece in reply.pieces:
        yield chunk([{"text": piece}])
    if reply.is_broken:
        return
    for name, arguments in reply.calls:
        yield chunk([{"functionCall": {"name": name, "args": json.loads(arguments)}}])
    for piece in reply.refusal:
        yield chunk([{"text": piece}])
    yield chunk([{"text": ""}], finishReason="SAFETY" if reply.refusal else "STOP")


_PROTOCOLS = {"completions": _openai, "messages": _anthropic, "streamGenerateContent": _google}
