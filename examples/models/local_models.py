"""A small local model server that misbehaves on demand, for trying out what a step does then.

It is no language model: it adds up the numbers of the prompt. It speaks OpenAI's chat completions (streamed), and the
model's name says how it behaves on the way; see `MODELS`.
"""

import json
import re
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODELS = {
    "steady": "answers at once, a word at a time",
    "busy": "asks twice to come back in a second (429, Retry-After), then answers",
    "flaky": "hangs up in the midst of its answer, then fails (500), then answers",
    "sloppy": "answers with what is no JSON, and rightly once it is told what is wrong",
    "broken": "answers with what is no JSON, whatever it is told",
    "refusing": "accepts no key (401)",
    "down": "is out of order (503)",
}


class Models(ThreadingHTTPServer):
    """Remembers how often it was asked the same thing since it last answered it."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(address, Handler)
        self._asked: Counter[str] = Counter()
        self._lock = threading.Lock()

    def asked(self, conversation: str) -> int:
        """Counts one more request of the conversation; how many they are."""
        with self._lock:
            self._asked[conversation] += 1
            return self._asked[conversation]

    def forget(self, conversation: str) -> None:
        """Begins it anew."""
        with self._lock:
            del self._asked[conversation]


def figures(prompt: str, asked: int) -> dict:
    """What there is to say of the numbers in a prompt; `asked` is how often it took to be told."""
    numbers = [float(one) for one in re.findall(r"-?\d+(?:\.\d+)?", prompt)]
    total = round(sum(numbers), 6)
    return {
        "numbers": len(numbers),
        "sum": int(total) if total.is_integer() else total,
        "asked": asked,
    }


class Handler(BaseHTTPRequestHandler):
    """Answers requests."""

    server: Models

    def do_POST(self) -> None:
        """Answers one, or does what its model does instead."""
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        model, messages = request["model"], request["messages"]
        prompt = next(one["content"] for one in messages if one["role"] == "user")
        conversation = f"{model}: {prompt}"
        asked = self.server.asked(conversation)
        found = figures(prompt, asked)
        right = json.dumps(found)
        if "response_format" not in request:
            right = f"{found['numbers']} numbers, {found['sum']} in all."
        wrong = str(found)  # Python's way to write it, which JSON does not know
        was_told = any(one["role"] == "assistant" for one in messages)
        match model:
            case "busy" if asked <= 2:
                self.refuse(429, "too many requests", {"retry-after": "1"})
            case "flaky" if asked == 1:
                self.stream(request, right, cut=True)
            case "flaky" if asked == 2:
                self.refuse(500, "something went wrong")
            case "refusing":
                self.refuse(401, "no key is good here")
            case "down":
                self.refuse(503, "out of order")
            case "broken":
                self.stream(request, wrong)
            case "sloppy" if not was_told:
                self.stream(request, wrong)
            case _ if model in MODELS:
                self.stream(request, right)
                self.server.forget(conversation)
            case _:
                self.refuse(404, f"there is no model {model}; there are {', '.join(MODELS)}")

    def refuse(self, status: int, message: str, headers: dict | None = None) -> None:
        """Answers with an error."""
        content = json.dumps({"error": {"message": message, "code": status}}).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def stream(self, request: dict, text: str, *, cut: bool = False) -> None:
        """Sends the text a word at a time; `cut`: half of it, and nothing after it."""
        pieces = re.findall(r"\S+\s*", text)
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for piece in pieces[: len(pieces) // 2] if cut else pieces:
            self.say(request, choices=[{"index": 0, "delta": {"content": piece}, "finish_reason": None}])
        if cut:
            return
        self.say(request, choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
        read = sum(len(one["content"].split()) for one in request["messages"])
        usage = {"prompt_tokens": read, "completion_tokens": len(pieces), "total_tokens": read + len(pieces)}
        self.say(request, choices=[], usage=usage)
        self.wfile.write(b"data: [DONE]\n\n")

    def say(self, request: dict, **part: object) -> None:
        """Sends a part of the answer."""
        head = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": request["model"]}
        self.wfile.write(f"data: {json.dumps({**head, **part})}\n\n".encode())
        self.wfile.flush()


if __name__ == "__main__":
    host, _, port = sys.argv[1].rpartition(":")
    Models((host, int(port))).serve_forever()
