"""What client generators require of the description, as openapi-typescript and openapi-python-client read it."""

from collections.abc import Iterator
from typing import Any

import pytest

from deploy.tools import openapi_snapshot

Document = dict[str, Any]
_SAYS_WHAT_IT_HOLDS = {"properties", "additionalProperties", "anyOf", "oneOf", "allOf"}


@pytest.fixture(scope="module")
def now() -> Document:
    """The API as it describes itself."""
    return openapi_snapshot.described()


def _schemas(node: Any, place: str = "#") -> Iterator[tuple[str, Document]]:
    """Whatever has a type, with its place; examples are none."""
    if isinstance(node, dict):
        if isinstance(node.get("type"), str | list):
            yield place, node
        for name, inner in node.items():
            if name not in {"example", "examples"}:
                yield from _schemas(inner, f"{place}/{name}")
    elif isinstance(node, list):
        for number, inner in enumerate(node):
            yield from _schemas(inner, f"{place}/{number}")


def test_every_object_says_what_it_holds(now: Document) -> None:
    """In TypeScript one that does not is `Record<string, never>`, into which nobody can put a parameter."""
    silent = [
        place for place, schema in _schemas(now) if "object" in schema["type"] and not _SAYS_WHAT_IT_HOLDS & set(schema)
    ]

    assert silent == []


def test_a_stream_of_events_is_nothing_else(now: Document) -> None:
    streams = {
        path: list(answer["content"])
        for path, methods in now["paths"].items()
        for operation in methods.values()
        for answer in operation["responses"].values()
        if "text/event-stream" in answer.get("content", {})
    }

    only = ["text/event-stream"]
    assert streams == {"/v1/jobs/{job_id}/stream": only, "/v1/jobs:stream": only}


def test_the_licence_is_told_and_webhooks_need_no_key_of_the_api(now: Document) -> None:
    assert now["info"]["license"] == {"name": "Apache-2.0", "identifier": "Apache-2.0"}
    assert [told["post"]["security"] for told in now["webhooks"].values()] == [[]] * len(now["webhooks"])
