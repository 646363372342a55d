"""Reads a client's Idempotency-Key, and decides when two requests are the same."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from services.api.actions.options import FIELDS, MOMENTS
from shared import json_text
from shared.catalog.model import CatalogView
from shared.catalog.parameter import Parameter, ParameterKind
from shared.catalog.parameters import Violation, item_of
from shared.catalog.shape import FIELDS as SHAPE_FIELDS
from shared.catalog.values import MAX_INTEGER, Refused, parse, store
from shared.jobs.submission import IdempotencyKey

Digests = Callable[[bytes], Sequence[str]]
"""Returns the digest to store, then older digests that may have been stored for the same content."""
_BARE = re.compile(r"[\x21\x23-\x7e][\x21-\x7e]*")
_QUOTED = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_LONGEST = 255
PATTERN = r"""^([!#-~][!-~]{0,254}|"([ !#-\[\]-~]|\\["\\]){1,255}")$"""
"""What `read_key` accepts, for the description of the API."""


def read_key(lines: Sequence[str]) -> str | Violation | None:
    """Return the key in the header lines of a request, quoted as in the IETF draft or bare: `"k"` and `k` are the same
    key.
    """
    keys = {_key(line.strip(" \t")) for line in lines}
    if len(keys) > 1:
        return Violation("Idempotency-Key", "repeated", "was sent more than once with different keys: send one")
    key = next(iter(keys), None)
    if keys and (not key or len(key) > _LONGEST):
        message = 'must be 1 to 255 visible ASCII characters, for example a UUID; or a quoted string, such as "order 7"'
        return Violation("Idempotency-Key", "malformed", message)
    return key


def _key(line: str) -> str | None:
    if quoted := _QUOTED.fullmatch(line):
        return re.sub(r"\\(.)", r"\1", quoted[1])
    return line if _BARE.fullmatch(line) else None


def named(
    key: str,
    body: bytes,
    fields: Mapping[str, object],
    catalog: CatalogView,
    requester: str | None = None,
    retry_of: UUID | None = None,
    *,
    digests: Digests,
) -> IdempotencyKey:
    """Return the key with the digests of its request.

    It covers this requester's jobs only: other requesters may get other rows.
    """
    meaning = json_text.write(_sorted(_meaning(fields, catalog))).encode()
    of, operation = (b"", "submit") if retry_of is None else (retry_of.bytes, "retry")
    of_body, *others = digests(of + body)
    of_meaning, *more = digests(of + meaning)
    return IdempotencyKey(key, of_body, of_meaning, requester, operation, frozenset((*others, *more)))


def plain_digest(content: bytes) -> Sequence[str]:
    """The digest of a request that holds no secret."""
    return (hashlib.sha256(content).hexdigest(),)


def _meaning(fields: Mapping[str, object], catalog: CatalogView) -> Mapping[str, object]:
    """Return the client's fields in one canonical spelling.

    Defaults are left out: they may change between two tries.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    parameters = given.get("parameters")
    if isinstance(parameters, dict):
        given["parameters"] = _parameters(parameters, given.get("reportType"), catalog)
        if not given["parameters"]:
            del given["parameters"]
    for name in given.keys() & {*FIELDS, *SHAPE_FIELDS}:
        given[name] = _of_kind(ParameterKind.DATETIME, given[name]) if name in MOMENTS else _plain(given[name])
    formats = given.get("formats")
    if isinstance(formats, list):
        given["formats"] = sorted({str(f) for f in formats})
    return given


def _parameters(given: Mapping[str, object], report_type: object, catalog: CatalogView) -> dict[str, object]:
    report = catalog.types.get(str(catalog.default if report_type is None else report_type))
    known = {} if report is None else {p.name: p for p in report.parameters}
    return {name: _value(known.get(name), value) for name, value in given.items() if value is not None}


def _value(parameter: Parameter | None, value: object) -> object:
    """Return the canonical spelling of a value: by its kind if the catalog knows it, otherwise as JSON."""
    if parameter is not None and parameter.kind is ParameterKind.LIST and isinstance(value, list):
        return [_value(item_of(parameter), one) for one in value]
    if parameter is None or parameter.kind is ParameterKind.LIST:
        return _plain(value)
    return _of_kind(parameter.kind, value)


def _of_kind(kind: ParameterKind, value: object) -> object:
    try:
        meant = parse(kind, value)
    except Refused:
        return _plain(value)
    if isinstance(meant, Decimal):
        written = format(meant, "f")
        return written.rstrip("0").rstrip(".") if "." in written else written
    return store(kind, meant) if isinstance(meant, datetime) else _plain(meant)


def _plain(value: object) -> object:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
        return hex(value)  # writing out the digits of a very long number takes too long
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return value


def _sorted(value: object) -> object:
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(one) for one in value] if isinstance(value, list) else value
