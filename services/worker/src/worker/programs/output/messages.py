"""Signed messages: Standard Webhooks 1.0 (https://www.standardwebhooks.com)."""

import base64
import binascii
import hmac
import json
import time
import urllib.error
import urllib.request
from typing import Any

import mcpanel_step as step
from programs.failures import Failed

_TIMEOUT = 30.0
_MOST_ANSWER = 64 * 1024
_PREFIX = "whsec_"


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def send(settings: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    """Sends the inputs; the answer's status and body. Raises Failed unless the answer is a 2xx."""
    body = json.dumps(inputs, ensure_ascii=False, separators=(",", ":")).encode()
    message_id = f"{step.context.idempotency_key}".replace(".", "_").replace("/", "_")
    timestamp = str(int(time.time()))
    headers = {
        "content-type": "application/json",
        "user-agent": "MCPanel",
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": signature(step.secret(settings["secret"]), message_id, timestamp, body),
    }
    request = urllib.request.Request(settings["url"], body, headers, method="POST")  # noqa: S310  # http or https
    try:
        with urllib.request.build_opener(_NoRedirects()).open(request, timeout=_TIMEOUT) as answer:
            content = answer.read(_MOST_ANSWER)
            return {
                "status": answer.status,
                "body": content.decode("utf-8", "replace").replace("\0", "\ufffd"),
                "webhook_id": message_id,
            }
    except urllib.error.HTTPError as error:
        said = error.read(500).decode("utf-8", "replace")
        raise Failed(f"the webhook was answered with {error.code}: {said}") from None
    except OSError as error:
        raise Failed(f"the webhook could not be sent: {getattr(error, 'reason', None) or error}") from None


def signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """The `webhook-signature` of a message. A secret that begins with whsec_ is base64 behind that. Raises Failed."""
    key = secret.encode()
    if secret.startswith(_PREFIX):
        try:
            key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except (binascii.Error, ValueError):
            raise Failed("the secret begins with whsec_ and is not base64 behind that") from None
    digest = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, "sha256")
    return f"v1,{base64.b64encode(digest).decode()}"
