"""Tells clients of paths without a version that `/v1` offers the same (RFC 9745).

`POST /generate-report` and `GET /jobs/{id}` are the original contract and stay, so they are not deprecated. No date is
set for the removal of any other, so no answer has a Sunset header (RFC 8594).
"""

from collections.abc import Sequence

from starlette.types import Scope

_SINCE = b"@1795910400"
"""2026-11-29, in seconds since 1970."""


def is_deprecated(method: str, path: str) -> bool:
    """True for an operation that also has a path with a version. `path` may be a template."""
    if not path.startswith("/jobs"):
        return False
    of_the_first_contract = path.count("/") == 2 and ":" not in path and method in {"GET", "HEAD"}
    return not of_the_first_contract


def headers_of(scope: Scope, root_path: str) -> Sequence[tuple[bytes, bytes]]:
    """Return the headers that an answer of such an operation carries."""
    path = scope["path"].removeprefix(root_path)
    if not is_deprecated(scope["method"], path):
        return ()
    return ((b"deprecation", _SINCE), (b"link", f'<{root_path}/docs>; rel="deprecation"; type="text/html"'.encode()))
