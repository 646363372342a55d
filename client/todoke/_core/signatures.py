"""Checks and makes signatures of webhook messages, as Standard Webhooks defines them."""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any

from todoke.errors import InvalidSignature
from todoke.webhook_values import Message

TOLERANCE_S = 300.0


def verify(
    body: bytes, headers: Mapping[str, str], secrets: Sequence[str], *, now: float, tolerance_s: float
) -> Message:
    """Return the message. Raises InvalidSignature. Nothing of the body is parsed before its signature is verified."""
    given = {name.lower(): value for name, value in headers.items()}
    missing = [name for name in ("webhook-id", "webhook-timestamp", "webhook-signature") if not given.get(name)]
    if missing:
        raise InvalidSignature(f"the header {missing[0]} is missing")
    message_id, stamp = given["webhook-id"], given["webhook-timestamp"]
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 12):
        raise InvalidSignature("webhook-timestamp is not a whole number of seconds")
    signed = f"{message_id}.{stamp}.".encode() + body
    ours = [hmac.new(_key(secret), signed, hashlib.sha256).digest() for secret in secrets]
    theirs = [_decoded(one.removeprefix("v1,")) for one in given["webhook-signature"].split() if one.startswith("v1,")]
    if not any(hmac.compare_digest(one, other) for one in ours for other in theirs):
        raise InvalidSignature(
            "no signature matches: the secret is another webhook's, or the body was changed in transit"
        )
    if abs(now - int(stamp)) > tolerance_s:
        raise InvalidSignature(
            f"the message was sent {now - int(stamp):.0f} s ago by this clock, and {tolerance_s:.0f} s are tolerated"
        )
    return _read(message_id, body)


def sign(body: bytes, message_id: str, secret: str, *, now: float) -> dict[str, str]:
    """Return the headers that prove these bytes to a holder of the secret, as the service sends them."""
    stamp = str(int(now))
    made = hmac.new(_key(secret), f"{message_id}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": message_id, "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{base64.b64encode(made).decode()}",
    }  # fmt: skip


def _read(message_id: str, body: bytes) -> Message:
    try:
        told: Any = json.loads(body)
    except ValueError:
        raise InvalidSignature("the body is not JSON") from None
    if not isinstance(told, dict) or not isinstance(told.get("data"), dict):
        raise InvalidSignature("the body is not a webhook message")
    return Message(message_id, str(told.get("type", "")), str(told.get("timestamp", "")), told["data"])


def _key(secret: str) -> bytes:
    key = _decoded(secret.strip().removeprefix("whsec_"))
    if len(key) < 16:
        raise ValueError("a webhook secret is whsec_ followed by Base64, as shown when the webhook was created")
    return key


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
