"""A tiny local model for trying this out: it summarises, by picking the sentences whose words are most common.

It speaks OpenAI's chat completions (streamed) and computes its answers; it knows nothing that it is not told.
"""

import json
import re
import sys
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMON = frozenset(
    ("and", "are", "for", "from", "has", "its", "over", "that", "the", "their", "they", "this", "was", "with")
)


def words(text: str) -> list[str]:
    """The words that say something."""
    return [word for word in re.findall(r"[a-z]+", text.lower()) if word not in COMMON and len(word) > 2]


def summarise(text: str, sentences: int = 2) -> dict:
    """The sentences that are most like the whole, in their order, and the words that occur most often."""
    found = [one.strip() for one in re.split(r"(?<=[.!?])\s+", text) if one.strip()]
    counts = Counter(words(text))
    scores = {one: sum(counts[word] for word in words(one)) / (len(words(one)) + 3) for one in found}
    best = sorted(found, key=lambda one: -scores[one])[:sentences]
    return {
        "summary": " ".join(one for one in found if one in best),
        "keywords": [word for word, _ in counts.most_common(4)],
        "sentences": len(found),
    }


def answer(request: dict) -> str:
    """What the model says to a request: a summary, as JSON where the request has a schema."""
    text = request["messages"][-1]["content"].partition("\n\n")[2]
    found = summarise(text)
    if "response_format" not in request:
        return found["summary"]
    wanted = request["response_format"]["json_schema"]["schema"].get("properties", {})
    return json.dumps({name: value for name, value in found.items() if name in wanted})


class Model(BaseHTTPRequestHandler):
    """Answers requests."""

    def do_POST(self) -> None:
        """Streams one answer, a word at a time."""
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if (
            len(self.headers.get("authorization", "").removeprefix("Bearer ")) < 20
        ):  # whose it is, nobody told it
            self.send_error(401, "no key")
            return
        text = answer(request)
        pieces = re.findall(r"\S+\s*", text)
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for piece in pieces:
            self.say({"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]})
        self.say({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        read = sum(len(one["content"].split()) for one in request["messages"])
        usage = {"prompt_tokens": read, "completion_tokens": len(pieces), "total_tokens": read + len(pieces)}
        self.say({"choices": [], "usage": usage})
        self.wfile.write(b"data: [DONE]\n\n")

    def say(self, part: dict) -> None:
        """Sends a part of the answer."""
        head = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "tiny-summariser"}
        self.wfile.write(f"data: {json.dumps({**head, **part})}\n\n".encode())
        self.wfile.flush()


if __name__ == "__main__":
    host, _, port = sys.argv[1].rpartition(":")
    ThreadingHTTPServer((host, int(port)), Model).serve_forever()
