"""Finds the URL that a source's name stands for, from the environment's two variables."""

import re
from collections.abc import Mapping

DEFAULT = "default"
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")


def parse_sources(text: str) -> Mapping[str, str]:
    """Read `name=URL name=URL`. Raises ValueError, which never shows a URL, because it may contain a password."""
    urls: dict[str, str] = {}
    for entry in text.split():
        name, equals, url = entry.partition("=")
        if not equals or not url or not _NAME.fullmatch(name):
            raise ValueError("write name=URL with spaces between, the names in lower case")
        if name == DEFAULT or name in urls:
            raise ValueError(f"{name} is named already; the default source is REPORT_SOURCE_URL")
        urls[name] = url
    return urls


def sources_of(environment: Mapping[str, str]) -> Mapping[str, str]:
    """Return the URL of every source of this environment. Raises ValueError."""
    default = environment.get("REPORT_SOURCE_URL") or environment.get("DATABASE_URL") or ""
    return {DEFAULT: default, **parse_sources(environment.get("REPORT_SOURCES", ""))}
