"""The suite's REST API, as its own command line uses it: through the edge, with the admin key."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from stack.errors import StackError

Json = dict[str, Any]
Query = Mapping[str, str | int] | None
_RECONNECTS = 30


class Refused(StackError):
    """The suite answered with an error."""

    def __init__(self, what: str, status: int, body: Json) -> None:
        details = body.get("details", [])
        reasons = [detail["reason"] for detail in details if isinstance(detail, dict) and "reason" in detail]
        self.status = status
        self.reason = reasons[0] if reasons else ""
        lines = [f"{what}: {body.get('message') or f'answered {status}'}"]
        for detail in details:
            violations = detail.get("fieldViolations", []) if isinstance(detail, dict) else []
            lines.extend(f"  {one.get('field', '')}: {one.get('description', '')}" for one in violations)
        super().__init__("\n".join(lines))


class Edge:
    """One connection to a running stack. Close it after use."""

    def __init__(self, base_url: str, key: str) -> None:
        self.base_url = base_url
        self._client = httpx.Client(
            base_url=base_url,
            headers={"authorization": f"Bearer {key}"},
            timeout=30,
            trust_env=False,  # a proxy has no business on loopback
        )

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def call(self, method: str, path: str, body: Json | None = None, query: Query = None) -> Json:
        """The JSON answer. Raises Refused for an error, StackError when there is no answer."""
        try:
            answer = self._client.request(method, path, json=body, params=query)
        except httpx.HTTPError as error:
            raise StackError(f"{method} {path}: {error or type(error).__name__}") from error
        found = _json(answer)
        if answer.is_error:
            raise Refused(f"{method} {path}", answer.status_code, found)
        return found

    def send(self, path: str, body: bytes, headers: Mapping[str, str]) -> Json:
        """The JSON answer to a POST of these bytes. Raises like `call`."""
        try:
            answer = self._client.post(path, content=body, headers=headers)
        except httpx.HTTPError as error:
            raise StackError(f"POST {path}: {error or type(error).__name__}") from error
        found = _json(answer)
        if answer.is_error:
            raise Refused(f"POST {path}", answer.status_code, found)
        return found

    def find(self, path: str) -> Json | None:
        """The JSON answer of a GET; None when there is no such resource."""
        try:
            return self.call("GET", path)
        except Refused as error:
            if error.status == httpx.codes.NOT_FOUND:
                return None
            raise

    def pages(self, path: str, field: str) -> Iterator[Json]:
        """Every item of a list, over all its pages."""
        token = ""
        while True:
            page = self.call("GET", path, query={"pageSize": 1000, "pageToken": token})
            yield from page.get(field, [])
            token = page.get("nextPageToken", "")
            if not token:
                return

    def download(self, path: str, target: Path) -> None:
        """Write the content of a resource into a file."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._client.stream("GET", path) as answer, target.open("wb") as file:
            if answer.is_error:
                answer.read()
                raise Refused(f"GET {path}", answer.status_code, _json(answer))
            for chunk in answer.iter_bytes():
                file.write(chunk)

    def events(self, run_id: str) -> Iterator[tuple[str, Json]]:
        """A run's events as (`event`, data) to its `end`, resumed where it was when the stream breaks."""
        position = "0"
        for _ in range(_RECONNECTS):
            try:
                with self._client.stream(
                    "GET",
                    f"/api/v1/workflow-runs/{run_id}/stream",
                    headers={"last-event-id": position},
                    timeout=httpx.Timeout(30, read=60),
                ) as answer:
                    if answer.is_error:
                        answer.read()
                        raise Refused("the run's stream", answer.status_code, _json(answer))
                    for event, identity, data in frames(answer.iter_lines()):
                        position = identity or position
                        yield event, data
                        if event == "end":
                            return
            except httpx.HTTPError:
                continue
        raise StackError("the run's stream broke too often")


def frames(lines: Iterator[str]) -> Iterator[tuple[str, str, Json]]:
    """Server-sent events as (`event`, `id`, data); comments are left out. Source: the HTML standard, 9.2."""
    event = identity = ""
    data: list[str] = []
    for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                yield event or "message", identity, json.loads("\n".join(data))
            event, data = "", []
        elif name == "event":
            event = value
        elif name == "id":
            identity = value
        elif name == "data":
            data.append(value)


def _json(answer: httpx.Response) -> Json:
    try:
        found = answer.json()
    except ValueError:
        return {"message": answer.text[:500]}
    return found if isinstance(found, dict) else {"message": str(found)[:500]}
