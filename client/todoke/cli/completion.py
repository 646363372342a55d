"""What the shell proposes: report types, parameters and recent ids. It answers quickly or not at all."""

import contextlib
import json
import os
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

_BUDGET_S = 0.1
_FRESH_S = 60.0
STATES = ("PENDING", "PROCESSING", "SUCCESS", "FAILED", "CANCELLED")


def states(incomplete: str) -> list[str]:
    """Return the states of a job, in lower case if the user types so: a shell drops proposals that differ from the
    line.
    """
    found = [one for one in STATES if one.startswith(incomplete.upper())]
    return [one.lower() for one in found] if incomplete.islower() else found


def types(incomplete: str) -> list[str]:
    """Return the names of report types."""
    return [name for name in _cached("types", _types) if name.startswith(incomplete)]


def parameters(args: list[str], incomplete: str) -> list[str]:
    """Return the parameters of the report type on the line, or of all types."""
    known: dict[str, list[str]] = dict(_cached("types", _types))
    named = [one for one in args if one in known]
    names = known[named[0]] if named else sorted({name for one in known.values() for name in one})
    return [f"{name}=" for name in names if f"{name}=".startswith(incomplete)]


def ids(incomplete: str) -> list[str]:
    """Return the ids of the newest jobs."""
    return [one for one in _cached("ids", _ids) if one.startswith(incomplete)]


def _types() -> dict[str, list[str]]:
    return {one.name: list(one.parameters.get("properties", {})) for one in _client().types.list().types}


def _ids() -> dict[str, Any]:
    return {job.id: None for job in _client().jobs.list(page_size=20).jobs}


def _client() -> Any:
    from todoke.cli import profiles
    from todoke.client import Todoke

    chosen = profiles.choose(None, None)
    return Todoke(chosen.url, chosen.api_key or "", timeout=_BUDGET_S, connect=_BUDGET_S, max_retries=0)


def _cached(what: str, ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the answer, cached for a minute. On any error nothing is proposed."""
    with contextlib.suppress(Exception):
        file = _file(what)
        with contextlib.suppress(OSError, ValueError):
            if time.time() - file.stat().st_mtime < _FRESH_S:
                kept: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
                return kept
        found = ask()
        with contextlib.suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file.write_text(json.dumps(found), encoding="utf-8")
        return found
    return {}


def _file(what: str) -> Path:
    """Return the cache file, one for each address and key."""
    from todoke.cli import profiles

    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    chosen = profiles.choose(None, None)
    of = sha256(f"{chosen.url} {chosen.api_key}".encode()).hexdigest()[:16]
    return Path(base) / "todoke" / f"{what}-{of}.json"
