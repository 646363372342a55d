"""A stateless API in this process that answers each operation with the example from its description."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from tests.client.fake_api import Handler, World
from tests.support.http_server import LoopbackServer
from tests.support.installed import ROOT

_KEEPS = ("/v1/jobs", "/v1/report-types", "/openapi.json")
"""What the world itself answers: there things are made, and get on."""


@cache
def _operations() -> list[tuple[str, re.Pattern[str], int, Any]]:
    """Method, path, status and body of each operation of the API."""
    document = json.loads((ROOT / "docs/reference/openapi.json").read_text(encoding="utf-8"))
    return [
        (method.upper(), re.compile(re.sub(r"\{\w+\}", "[^/:]+", path)), *_example(operation["responses"]))
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if method in {"get", "post", "put", "patch", "delete"}
    ]


def _example(responses: Mapping[str, Any]) -> tuple[int, Any]:
    status, found = next((status, one) for status, one in responses.items() if status.startswith("2"))
    content = found.get("content", {}).get("application/json", {})
    examples = [one["value"] for one in content.get("examples", {}).values()]
    return int(status), content.get("example", examples[0] if examples else None)


def example(method: str, path: str) -> tuple[int, Any]:
    """The status and the body that the description has as an example. Raises StopIteration for an unknown path."""
    return next(
        (status, body) for verb, route, status, body in _operations() if verb == method and route.fullmatch(path)
    )


class Documented(Handler):
    """Serves a world, and examples for the rest."""

    def do_PATCH(self) -> None:
        self._do("PATCH")

    def _rest(self, method: str) -> None:
        path = urlsplit(self.path).path
        if path.startswith(_KEEPS) and not path.endswith(":share"):  # who makes a link keeps no job
            super()._rest(method)
            return
        status, body = example(method, path)
        if body is None:
            self.answer(status)
        else:
            self._json(status, body, {"ETag": '"1"'})


@contextmanager
def serving_documented(world: World) -> Iterator[str]:
    """The address, until the block ends."""
    with LoopbackServer(type("Served", (Documented,), {"world": world})) as server:
        yield server.url
