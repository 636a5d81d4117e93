"""Signed messages, against the published example and in every way that they can be wrong."""

from datetime import UTC, datetime
from typing import Any

import pytest

from engine import signatures

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
BODY = b'{"test": 2432232314}'
NOW = datetime.fromtimestamp(1614265330, UTC)


def verify(kind: str = "STANDARD", body: bytes = BODY, now: datetime = NOW, **headers: Any) -> str | None:
    sent = {**MESSAGE, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return signatures.verify(
        kind, [SECRET], {name: one for name, one in sent.items() if one is not None}, body, now
    )


def test_the_example_of_the_standard_is_accepted() -> None:
    assert verify() == MESSAGE["webhook-id"]
    assert signatures.sign(SECRET, MESSAGE["webhook-id"], 1614265330, BODY) == MESSAGE["webhook-signature"]


def test_one_of_several_signatures_is_enough() -> None:
    assert verify(webhook_signature=f"v1a,xyz v1,AAAA {MESSAGE['webhook-signature']}")


@pytest.mark.parametrize(
    "headers",
    [
        {"webhook_id": None},
        {"webhook_id": "msg_other"},
        {"webhook_id": "msg.with.dots"},
        {"webhook_id": "x" * 201},
        {"webhook_timestamp": None},
        {"webhook_timestamp": "1614265331"},
        {"webhook_timestamp": "-1"},
        {"webhook_timestamp": "1e9"},
        {"webhook_timestamp": "9" * 400},
        {"webhook_signature": None},
        {"webhook_signature": ""},
        {"webhook_signature": "v1,"},
        {"webhook_signature": "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
        {"webhook_signature": "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
        {"webhook_signature": "v1,é"},
    ],
)
def test_what_is_not_signed_well_is_refused(headers: dict[str, Any]) -> None:
    assert verify(**headers) is None


def test_another_body_or_a_message_that_is_too_old_is_refused() -> None:
    assert verify(body=b'{"test": 2432232315}') is None
    assert verify(now=datetime.fromtimestamp(1614265330 + 299, UTC))
    assert verify(now=datetime.fromtimestamp(1614265330 + 301, UTC)) is None
    assert verify(now=datetime.fromtimestamp(1614265330 - 301, UTC)) is None


def test_signatures_in_githubs_manner_name_a_message_by_its_content() -> None:
    # The example of GitHub's documentation.
    secret, body = "It's a Secret to Everybody", b"Hello, World!"
    good = {"x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"}

    found = signatures.verify("HUB", [secret], good, body, NOW)

    assert found is not None
    assert signatures.verify("HUB", ["other", secret], good, body, NOW) == found
    assert signatures.verify("HUB", ["other"], good, body, NOW) is None
    assert signatures.verify("HUB", [secret], good, body + b"!", NOW) is None
    assert signatures.verify("HUB", [secret], {}, body, NOW) is None
    assert signatures.verify("STANDARD", [secret], good, body, NOW) is None
