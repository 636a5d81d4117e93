"""Verifies a message as a receiver that knows the key would (Standard Webhooks 1.0)."""

import base64
import hmac
import json

import mcpanel_step as step


def main(answer: str) -> bool:
    """Whether the message that `answer` tells of was signed with the key."""
    got = json.loads(answer)
    headers, key = got["headers"], step.secret("writes-signing-key").encode()
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{got['body']}".encode()
    expected = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    step.log.info("message", id=headers["webhook-id"], body=got["body"])
    return any(hmac.compare_digest(one, f"v1,{expected}") for one in headers["webhook-signature"].split())
