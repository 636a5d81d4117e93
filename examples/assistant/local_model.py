"""A tiny local model for trying this out: it turns simple questions about one table into SQL, and rows into a sentence.

It speaks OpenAI's chat completions (streamed) and computes its answers: it asks for the table's columns, finds those
that the question names, and writes the query. It understands "Which fruit had the highest total kilos in 2022?".
"""

import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COLUMNS = (
    "select table_name, column_name, data_type from information_schema.columns "
    "where table_schema = 'public' order by table_name, ordinal_position"
)
ORDERS = {
    "highest": "desc",
    "most": "desc",
    "largest": "desc",
    "lowest": "asc",
    "least": "asc",
    "smallest": "asc",
}
FUNCTIONS = {"total": "sum", "average": "avg", "mean": "avg", "highest": "max", "lowest": "min"}


def words(text: str) -> list[str]:
    """The question's words and numbers."""
    return re.findall(r"[a-z_]+|\d+", text.lower())


def query(question: str, rows: list[list[str]]) -> str:
    """The SQL for a question about the table whose columns it names most of; empty when it names too few."""
    asked = words(question)
    tables: dict[str, list[tuple[str, str]]] = {}
    for table, column, kind in rows:
        tables.setdefault(table, []).append((column, kind))
    best = max(tables, key=lambda one: sum(column in asked for column, _ in tables[one]), default="")
    columns = tables.get(best, [])
    texts = [name for name, kind in columns if name in asked and kind.startswith(("text", "char"))]
    numbers = [name for name, kind in columns if name in asked and name not in texts and name != "year"]
    if not texts or not numbers:
        return ""
    function = next((FUNCTIONS[word] for word in asked if word in ("total", "average", "mean")), "max")
    order = next((ORDERS[word] for word in asked if word in ORDERS), "desc")
    years = [word for word in asked if re.fullmatch(r"(19|20)\d\d", word)]
    where = f" where year in ({', '.join(years)})" if years and ("year", "integer") in columns else ""
    select = f"select {texts[0]}, {function}({numbers[0]}) as value from {best}{where}"  # noqa: S608  # of known names
    return f"{select} group by {texts[0]} order by value {order} limit 1"


def respond(messages: list[dict], tools: list[dict]) -> dict:
    """The model's next message: a call of its tool, or its answer."""
    question = next(one["content"] for one in reversed(messages) if one["role"] == "user")
    results = [
        json.loads(one["content"]) for one in messages if one["role"] == "tool" and one["content"][0] == "{"
    ]
    name = next((one["function"]["name"] for one in tools if "query" in one["function"]["name"]), "")
    if not name:
        return {"content": "I have no table to look into."}
    if not results:
        return call(name, {"sql": COLUMNS, "max_rows": 200})
    if len(results) == 1:
        sql = query(question, results[0]["rows"])
        return call(name, {"sql": sql}) if sql else {"content": "I do not understand which columns you mean."}
    rows = results[-1]["rows"]
    return {"content": f"It is {rows[0][0]}, with {rows[0][1]}." if rows else "There is nothing like that."}


def call(name: str, arguments: dict) -> dict:
    """A message that calls a tool."""
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {"tool_calls": [{"index": 0, "id": "call", "type": "function", "function": function}]}


class Model(BaseHTTPRequestHandler):
    """Answers requests."""

    def do_POST(self) -> None:
        """Streams one answer."""
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        message = respond(request["messages"], request.get("tools", []))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        finish = "tool_calls" if "tool_calls" in message else "stop"
        self.say({"choices": [{"index": 0, "delta": message, "finish_reason": finish}]})
        read, wrote = (len(words(json.dumps(part))) for part in (request["messages"], message))
        usage = {"prompt_tokens": read, "completion_tokens": wrote, "total_tokens": read + wrote}
        self.say({"choices": [], "usage": usage})
        self.wfile.write(b"data: [DONE]\n\n")

    def say(self, part: dict) -> None:
        """Sends a part of the answer."""
        head = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "tiny-analyst"}
        self.wfile.write(f"data: {json.dumps({**head, **part})}\n\n".encode())
        self.wfile.flush()


if __name__ == "__main__":
    host, _, port = sys.argv[1].rpartition(":")
    ThreadingHTTPServer((host, int(port)), Model).serve_forever()
