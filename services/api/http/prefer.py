"""How long a client is willing to wait (RFC 7240, section 4.3)."""

import re

from fastapi import Request

from services.api.http.conditional import preferences

_LONGEST_WAIT_S = 30.0
"""Below the 60 s after which most proxies give up on a silent answer."""


def wait_asked_s(request: Request) -> float:
    """Return the seconds of `Prefer: wait=n`, at most 30; 0 if it is absent or not a whole number."""
    lines = request.headers.getlist("prefer")
    wanted = preferences(lines).get("wait", "") if lines else ""
    return min(float(wanted), _LONGEST_WAIT_S) if re.fullmatch(r"[0-9]{1,9}", wanted) else 0.0
