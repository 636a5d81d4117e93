"""Signed messages: Standard Webhooks 1.0 (https://www.standardwebhooks.com) and GitHub's x-hub-signature-256. Pure."""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32
TOLERANCE: Final = 300
"""Seconds that a message may be older or newer than now."""
_ID: Final = re.compile(r"[A-Za-z0-9_\-]{1,200}")  # without a dot, which separates what is signed
_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}")
_MOST_SIGNATURES: Final = 10


def secret_of(random: bytes) -> str:
    """The secret made of `random`, SECRET_BYTES bytes from a cryptographic source."""
    return PREFIX + base64.b64encode(random).decode()


def verify(
    kind: str, secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: datetime
) -> str | None:
    """The id of a message signed with one of the secrets; None for any other. `kind` is STANDARD or HUB."""
    if kind == "HUB":
        return _hub(secrets, headers, body)
    return _standard(secrets, headers, body, now)


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` of a message."""
    return f"v1,{_standard_digest(secret, message_id, str(timestamp), body)}"


def sign_hub(secret: str, body: bytes) -> str:
    """The `x-hub-signature-256` of a body."""
    return "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex()


def _standard(secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: datetime) -> str | None:
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    shown = headers.get("webhook-signature", "").split()[:_MOST_SIGNATURES]
    if not _ID.fullmatch(message_id) or not _TIMESTAMP.fullmatch(timestamp):
        return None
    fits = False
    for secret in secrets:
        expected = f"v1,{_standard_digest(secret, message_id, timestamp, body)}"
        for one in shown:
            fits = hmac.compare_digest(expected.encode(), one.encode()) or fits
    fresh = abs(now.timestamp() - int(timestamp)) <= TOLERANCE
    return message_id if fits and fresh else None


def _standard_digest(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    signed = f"{message_id}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.digest(_key(secret), signed, "sha256")).decode()


def _hub(secrets: Sequence[str], headers: Mapping[str, str], body: bytes) -> str | None:
    shown = headers.get("x-hub-signature-256", "")
    fits = False
    for secret in secrets:
        fits = hmac.compare_digest(sign_hub(secret, body).encode(), shown.encode()) or fits
    return f"sha256-{hashlib.sha256(body).hexdigest()}" if fits else None


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        return secret.encode()
