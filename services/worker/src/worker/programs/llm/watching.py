"""What a model's server answers, watched below its SDK: how it begins, and that it does not go on for ever."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx2

from .failing import words
from .models import ModelError, StrangeError

_KEPT = 20_000
"""Bytes of an answer's beginning that are kept."""
_MIB = 1024 * 1024
_LARGEST = 4 * _MIB
_LARGEST_TOKEN = 4096
"""Bytes on the wire that a token may take, its event and all; text is a hundredth of it."""
_OF_EVENTS = (b"data:", b"event:", b"id:", b"retry:", b":")
_OK = range(200, 300)


class Watch:
    """The answers of one server, the last of which is looked at."""

    def __init__(self) -> None:
        self._most = 0
        self._tokens = 0
        self._response: httpx2.Response | None = None
        self._size = 0
        self._beginning = b""

    @property
    def hooks(self) -> dict[str, list[Callable[..., Any]]]:
        """What an SDK's HTTP client has to call: its `event_hooks`."""
        return {"request": [_plainly], "response": [self._begin]}

    def expect(self, tokens: int) -> None:
        """From now on answers have so many tokens at most."""
        self._tokens = tokens
        self._most = _LARGEST + _LARGEST_TOKEN * tokens
        self._response = None

    def strange(self) -> StrangeError | None:
        """What is wrong with the last answer, where it was accepted and is none of a model's; None where it is one."""
        response, beginning = self._response, self._beginning.strip()
        if response is None or response.status_code not in _OK:
            return None
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if beginning.startswith(_OF_EVENTS) or (not beginning and kind == "text/event-stream"):
            return None
        return StrangeError(words(kind) or "something of no type", _said(response, beginning))

    def _begin(self, response: httpx2.Response) -> None:
        self._response, self._size, self._beginning = response, 0, b""
        if isinstance(response.stream, httpx2.SyncByteStream):
            response.stream = _Watched(response.stream, self._take)

    def _take(self, data: bytes) -> None:
        self._size += len(data)
        if len(self._beginning) < _KEPT:
            self._beginning += data[: _KEPT - len(self._beginning)]
        if self._size > self._most:
            raise ModelError(
                f"the model's server does not end its answer: it has sent {self._most / _MIB:.0f} MiB, "
                f"and maxTokens is {self._tokens:,}",
                status=200,
            )


class _Watched(httpx2.SyncByteStream):
    """The bytes of an answer, each of which is seen on the way."""

    def __init__(self, stream: httpx2.SyncByteStream, take: Callable[[bytes], None]) -> None:
        self._stream = stream
        self._take = take

    def __iter__(self) -> Iterator[bytes]:
        for data in self._stream:
            self._take(data)
            yield data

    def close(self) -> None:
        """Closes the connection, or gives it back."""
        self._stream.close()


def _plainly(request: httpx2.Request) -> None:
    """Asks for an answer that is not compressed."""
    request.headers["accept-encoding"] = "identity"


def _said(response: httpx2.Response, beginning: bytes) -> str:
    """How the answer begins, in words."""
    if response.headers.get("content-encoding", "identity") != "identity":
        return "(it is compressed)"
    text = beginning.decode("utf-8", "replace")
    try:
        said = words(json.loads(text))
    except ValueError:
        said = ""
    return said or words(text) or "(it is empty)"
