"""The few HTTP calls that `make run` makes."""

import json
import urllib.error
import urllib.request
from typing import Any

from deploy.local.processes import LocalFailure


def call(url: str, body: object = None, *, timeout_s: float = 30) -> Any:
    """GET `url`, or POST `body` to it as JSON. Returns the answer's JSON; raises LocalFailure."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})  # noqa: S310 - our own loopback address
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310
            return json.load(answer)
    except urllib.error.HTTPError as error:
        detail = error.read().decode(errors="replace")[:500]
        raise LocalFailure(f"{url} answered {error.code}: {detail}") from None
    except OSError as error:
        raise LocalFailure(f"{url} does not answer: {error}") from None


def ready(url: str) -> bool:
    """True if a health or readiness URL answers 200."""
    try:
        with urllib.request.urlopen(url, timeout=3) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except OSError:
        return False
