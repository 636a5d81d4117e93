"""Signed messages in real cells, to a receiver that verifies them as Standard Webhooks 1.0 says."""

import base64
import hmac
import ipaddress
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from chassis.addresses import Guard
from tests.worker.programs.conftest import Open
from tests.worker.support.cells import Bench
from worker.network import Reach

KEY = b"a key of thirty-two bytes, it is"
ENCODED = "whsec_" + base64.b64encode(KEY).decode()


@dataclass
class Receiver:
    """A server of http, in a thread: remembers messages, and answers as the test says."""

    status: int = 200
    location: str = ""
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    """Path, headers and body of each message."""

    def __post_init__(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.got.append((self.path, headers, body))
                self.send_response(receiver.status)
                if receiver.location:
                    self.send_header("location", receiver.location)
                self.send_header("content-length", "5")
                self.end_headers()
                self.wfile.write(b"heard")

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.77.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.77.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """Ends it."""
        self._server.shutdown()
        self._server.server_close()


def verifies(key: bytes, headers: dict[str, str], body: bytes) -> bool:
    """Whether a message was signed with the key."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    return expected in headers["webhook-signature"].split()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver."""
    one = Receiver()
    yield one
    one.close()


@pytest.fixture
async def sender(benches: Open, receiver: Receiver) -> Bench:
    """Runs OUTPUT components that may reach the receiver."""
    bench = await benches("output", toolbox="report", network=True)
    bench.sink.secrets = {"encoded": ENCODED, "plain": "any text", "broken": "whsec_???"}
    guard = Guard([ipaddress.ip_network("127.77.0.0/24")], setting="MCPANEL_WORKER_NETWORKS")
    bench.reach = Reach.of([receiver.address], guard)
    return bench


def webhook(receiver: Receiver, signed_by: str = "encoded", path: str = "/in") -> dict[str, Any]:
    """The config of a message to the receiver."""
    return {"webhook": {"url": f"http://{receiver.address}{path}", "secret": signed_by}}


def test_the_receiver_verifies_as_the_standards_own_example_says() -> None:
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }

    assert verifies(key, headers, b'{"test": 2432232314}')
    assert not verifies(key, headers, b'{"test": 2432232315}')


async def test_a_message_is_signed_and_a_repeat_of_it_has_the_same_id(
    sender: Bench, receiver: Receiver
) -> None:
    inputs = {"city": "Zürich", "rows": [1, 2]}

    first = await sender.run("", inputs, config=webhook(receiver))
    await sender.run("", inputs, config=webhook(receiver, "plain", "/in?a=b"))

    assert first.failure is None
    answer = json.loads(first.output_json or b"")
    (path, headers, body), (other_path, other, other_body) = receiver.got
    assert (path, other_path) == ("/in", "/in?a=b")
    assert json.loads(body) == inputs
    assert headers["content-type"] == "application/json"
    assert verifies(KEY, headers, body)
    assert verifies(b"any text", other, other_body)
    assert not verifies(b"another key", headers, body)
    assert headers["webhook-id"] == other["webhook-id"] == "r1_s1"
    assert answer == {"status": 200, "body": "heard", "webhook_id": "r1_s1"}


async def test_what_is_not_accepted_fails_the_step_and_redirects_are_not_followed(
    sender: Bench, receiver: Receiver
) -> None:
    said = []
    for status, location in ((503, ""), (307, f"http://{receiver.address}/other")):
        receiver.status, receiver.location = status, location
        failure = (await sender.run("", {}, config=webhook(receiver))).failure
        assert failure is not None
        said.append((failure.kind, failure.message))

    assert said == [
        ("USER_ERROR", "the webhook was answered with 503: heard"),
        ("USER_ERROR", "the webhook was answered with 307: heard"),
    ]
    assert [path for path, _, _ in receiver.got] == ["/in", "/in"]


async def test_a_secret_that_is_none_and_a_host_that_is_not_declared_send_nothing(
    sender: Bench, receiver: Receiver
) -> None:
    broken = (await sender.run("", {}, config=webhook(receiver, "broken"))).failure
    elsewhere = {"webhook": {"url": "http://other.example:9/", "secret": "plain"}}
    undeclared = (await sender.run("", {}, config=elsewhere)).failure

    assert broken is not None
    assert "not base64" in broken.message
    assert "???" not in broken.message
    assert undeclared is not None
    assert "other.example:9 is not declared" in undeclared.message
    assert receiver.got == []
