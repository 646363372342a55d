"""Finds the URL of a source by its name, from the environment's two variables, and reads URLs of SQLite."""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import SecretStr

from shared.database.libpq import WRITE_AS_XX, may_show_its_password

DEFAULT = "default"
_POSTGRESQL = ("postgresql://", "postgres://")
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
        if wrong := problem_of(url):
            raise ValueError(f"the URL of {name} {wrong}")
        urls[name] = url
    return urls


def problem_of(url: str) -> str | None:
    """Return what is wrong with the form of a source's URL, and the remedy; None if nothing is."""
    return WRITE_AS_XX if url.startswith(_POSTGRESQL) and may_show_its_password(url) else None


def checked_source(url: SecretStr | None) -> SecretStr | None:
    """Return the value of REPORT_SOURCE_URL. Raises ValueError, as `parse_sources` does."""
    if url is not None and (wrong := problem_of(url.get_secret_value())):
        raise ValueError(wrong)
    return url


def checked_sources(text: SecretStr) -> SecretStr:
    """Return the value of REPORT_SOURCES. Raises ValueError, as `parse_sources` does."""
    parse_sources(text.get_secret_value())
    return text


def sources_of(environment: Mapping[str, str]) -> Mapping[str, str]:
    """Return the URL of every source of this environment. Raises ValueError."""
    default = environment.get("REPORT_SOURCE_URL") or environment.get("DATABASE_URL") or ""
    return {DEFAULT: default, **parse_sources(environment.get("REPORT_SOURCES", ""))}


def sqlite_path(url: str) -> Path:
    """Return the file of `sqlite:///path/to/file`. Raises ValueError for another kind of URL."""
    parts = urlsplit(url)
    path = unquote(parts.path)
    if parts.scheme != "sqlite" or parts.netloc or len(path) < 2 or "\0" in path:
        raise ValueError("write sqlite:///path/to/file, with three slashes before an absolute path")
    return Path(path)


def sqlite_uri(url: str) -> str:
    """Return the URI with which SQLite opens the file read-only, and writes nothing beside it. Raises ValueError.

    `?immutable=1` promises that nobody writes: then SQLite takes no locks and looks for no journal.
    """
    options = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    if options and options != [("immutable", "1")]:
        raise ValueError("?immutable=1 is the only option, and says that nobody writes to the file")
    more = "&immutable=1" if options else ""
    return f"{sqlite_path(url).as_uri()}?mode=ro&readonly_shm=1{more}"
