"""`reuse: {maxAgeSeconds}`: whether the same question was asked before, and whether that answer may be used."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import cast

from shared import json_text
from shared.catalog.model import ReportType
from shared.catalog.parameter import ParameterKind
from shared.catalog.parameters import Violation
from shared.catalog.values import Refused, parse
from shared.suggest import did_you_mean

FIELD, AGE = "reuse", "maxAgeSeconds"
MOST_S = 7 * 86_400


def read_reuse(fields: Mapping[str, object], violations: list[Violation]) -> int | None:
    """Return how old a job, in seconds, may be to answer the request; None if it must be a new one."""
    if (given := fields.get(FIELD)) is None:
        return None
    if not isinstance(given, dict):
        violations.append(Violation(FIELD, "type", f'must be an object such as {{"{AGE}": 3600}}'))
        return None
    violations += [
        Violation(
            f"{FIELD}.{name[:100]}", "unknown_field", f"is not a field of {FIELD}{did_you_mean(name[:100], [AGE])}"
        )
        for name in list(given)[:20]
        if name != AGE
    ]
    if fields.get("runAt") is not None:
        message = "does not go with runAt: a job that is to run later answers nothing now; leave one of them out"
        violations.append(Violation(FIELD, "conflict", message))
    if fields.get("callbackUrl") is not None:
        message = "cannot be combined with callbackUrl, because a reused job sends no callback; omit one of them"
        violations.append(Violation(FIELD, "conflict", message))
    try:
        age_s = cast("int", parse(ParameterKind.INTEGER, given.get(AGE)))
    except Refused as refused:
        violations.append(Violation(f"{FIELD}.{AGE}", refused.code, str(refused)))
        return None
    if not 1 <= age_s <= MOST_S:
        violations.append(Violation(f"{FIELD}.{AGE}", "range", f"must be from 1 to {MOST_S} seconds"))
    return age_s


def reuse_key(
    report: ReportType,
    parameters: Mapping[str, object],
    formats: Sequence[str],
    *,
    requester: str | None,
    scopes: Sequence[str] | None,
    beside: Mapping[str, object],
) -> str:
    """Return the digest of a question. Two requests with the same digest would get the same files, byte for byte.

    The requester is always part of it: a source may choose rows by its session alone, which the query does not show.
    """
    question = [report.name, report.version, _sorted(parameters), list(formats), requester, scopes, _sorted(beside)]
    return hashlib.sha256(json_text.write(question).encode()).hexdigest()


def _sorted(mapping: Mapping[str, object]) -> list[tuple[str, object]]:
    return sorted(mapping.items())
