"""The address of the API, and the settings of its client."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from random import random
from time import monotonic
from urllib.parse import urlsplit

from todoke.version import VERSION

DEFAULT_URL = "http://localhost:8000"
_LONGEST_S = 1e6
"""The longest time-out, eleven days, even if infinity is given: a socket stores 32 bits of milliseconds."""


@dataclass(frozen=True, slots=True)
class Config:
    """The settings that all requests of a client share."""

    url: str
    """Without a trailing slash; with a path if a proxy serves the API below one."""
    api_key: str | None = field(repr=False)
    timeout_s: float
    connect_s: float
    max_retries: int
    max_wait_s: float
    """The longest pause that Retry-After may ask for; a longer one is not waited for."""
    user_agent: str
    clock: Callable[[], float]
    """A monotonic clock, in seconds."""
    chance: Callable[[], float]
    """Random numbers from 0 to 1, for the jitter of pauses."""


def configure(
    url: str | None,
    api_key: str | None,
    *,
    timeout: float,
    connect: float,
    max_retries: int,
    max_wait: float,
    user_agent_suffix: str,
) -> Config:
    """Combine the arguments with TODOKE_URL and TODOKE_API_KEY as defaults. Raises ValueError."""
    key = api_key if api_key is not None else os.environ.get("TODOKE_API_KEY")
    if not (timeout > 0 and connect > 0 and max_retries >= 0 and max_wait >= 0):  # NaN fails each comparison
        raise ValueError("timeout and connect must be more than 0 s; max_retries and max_wait must not be negative")
    return Config(
        url=_url(url or os.environ.get("TODOKE_URL") or DEFAULT_URL),
        api_key=_key(key) if key and key.strip() else None,
        timeout_s=min(timeout, _LONGEST_S),
        connect_s=min(connect, _LONGEST_S),
        max_retries=max_retries,
        max_wait_s=max_wait,
        user_agent=_user_agent(user_agent_suffix),
        clock=monotonic,
        chance=random,
    )


def _url(given: str) -> str:
    parts = urlsplit(given.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{given!r} is not a valid API address; use one such as https://reports.example.com")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("the API address must not contain a user, query or fragment; pass the key as api_key")
    # Other APIs want their version in the address, so people write it here, too. Each path brings it along.
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/').removesuffix('/v1')}"


def _key(given: str) -> str:
    key = given.strip()  # the last line of a file ends with a newline
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ValueError("the API key contains invalid characters; check that you copied only the key")
    return key


def _user_agent(suffix: str) -> str:
    if not (suffix.isascii() and (suffix.isprintable() or not suffix)):
        raise ValueError("user_agent_suffix must be visible ASCII characters")
    python = ".".join(map(str, sys.version_info[:3]))
    return f"todoke-python/{VERSION} Python/{python} {suffix}".strip()
