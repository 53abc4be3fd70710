"""Signs notifications as Standard Webhooks asks, so that a receiver knows whose they are and that they are whole.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md is the scheme. It is one
HMAC, so no library is needed; the tests verify with the project's own.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

PREFIX = "whsec_"
VERSION = "v1"


def secret(root: bytes, subscription: str) -> bytes:
    """The secret of a subscription: 32 bytes, derived from the gateway's own, so that no database holds it."""
    return hmac.new(root, b"subscription " + subscription.encode(), hashlib.sha256).digest()


def shown(key: bytes) -> str:
    """A secret as its receiver is told it.

    >>> shown(b"0" * 32)[:12]
    'whsec_MDAwMD'
    """
    return PREFIX + base64.b64encode(key).decode()


def headers(key: bytes, message: str, seconds: int, content: bytes) -> dict[str, str]:
    """The headers that sign a notification sent at ``seconds`` UTC. ``message`` is its id: the same at each attempt."""
    signed = hmac.new(key, f"{message}.{seconds}.".encode() + content, hashlib.sha256).digest()
    return {
        "webhook-id": message,
        "webhook-timestamp": str(seconds),
        "webhook-signature": f"{VERSION},{base64.b64encode(signed).decode()}",
    }
