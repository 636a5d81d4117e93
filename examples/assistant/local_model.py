"""A tiny local model for trying this out: it turns simple questions about one table into SQL, and rows into a sentence.

It speaks OpenAI's chat completions (streamed) and computes its answers: it asks for the table's columns, finds those
that the question names, and writes the query; what comes of it goes to the other tools that the question names. It
understands "Which fruit had the highest total kilos in 2022, and how many crates of 24 is that?".
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
    """The model's next message: a call of a tool, or its answer."""
    question = next(one["content"] for one in reversed(messages) if one["role"] == "user")
    found = {one["tool_call_id"]: one["content"] for one in messages if one["role"] == "tool"}
    functions = [one["function"] for one in tools]
    name = next((one["name"] for one in functions if one["name"].startswith("query_")), "")
    if not name:
        return {"content": "I have no table to look into."}
    if "columns" not in found:
        return call("columns", name, {"sql": COLUMNS, "max_rows": 200})
    if "rows" not in found:
        sql = query(question, json.loads(found["columns"])["rows"])
        return (
            call("rows", name, {"sql": sql})
            if sql
            else {"content": "I do not understand which columns you mean."}
        )
    rows = json.loads(found["rows"])["rows"]
    if not rows:
        return {"content": "There is nothing like that."}
    answer = f"It is {rows[0][0]}, with {rows[0][1]}"
    for one in functions:
        word = one["name"].rpartition("-")[2]
        if word not in words(question):
            continue
        if word not in found:
            return call(word, one["name"], arguments(one["parameters"], question, rows[0][1]))
        answer += f"; {word}: {number(json.loads(found[word]))}"
    return {"content": f"{answer}."}


def arguments(schema: dict, question: str, value: float) -> dict:
    """What a tool is called with: the number that was found, and the question's own ones that are no years."""
    own = [int(word) for word in words(question) if word.isdigit() and not re.fullmatch(r"(19|20)\d\d", word)]
    required = schema.get("required", [])
    names = [*required, *(name for name in schema["properties"] if name not in required)]
    return dict(zip(names, [value, *own], strict=False))


def number(value: object) -> object:
    """The first number in a tool's result."""
    if isinstance(value, dict):
        parts = [value["structured"]] if value.get("structured") else list(value.values())
        return next((found for one in parts if (found := number(one)) is not None), None)
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def call(id_: str, name: str, given: dict) -> dict:
    """A message that calls a tool."""
    function = {"name": name, "arguments": json.dumps(given)}
    return {"tool_calls": [{"index": 0, "id": id_, "type": "function", "function": function}]}


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
