"""The contract: the API's description is complete, and no older client breaks."""

import copy
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from deploy.tools import openapi_snapshot
from deploy.tools.breaking import breaking
from services.api.http.operation_scopes import OPERATION_SCOPES

Document = dict[str, Any]


@pytest.fixture(scope="module")
def now() -> Document:
    """The API as it describes itself."""
    return openapi_snapshot.described()


def _operations(document: Document) -> Iterator[tuple[str, Document]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_nothing_breaks_a_client_of_the_snapshot(now: Document) -> None:
    assert breaking(json.loads(openapi_snapshot.SNAPSHOT.read_text()), now) == [], (
        "keep what clients know; or take it knowingly: python -m deploy.tools.openapi_snapshot --accept-breaking"
    )


def test_every_operation_says_what_it_does_who_may_and_what_for(now: Document) -> None:
    assert openapi_snapshot.untold(now) == []
    named = {operation["operationId"].removesuffix("Unversioned") for _, operation in _operations(now)}

    assert set(OPERATION_SCOPES) <= named
    for name, operation in _operations(now):
        assert len(operation["summary"]) < 120, name
        assert operation["security"] == [
            {"bearer": [str(scope) for scope in OPERATION_SCOPES[operation["operationId"].removesuffix("Unversioned")]]}
        ], name


def test_every_answer_with_a_body_has_an_example_that_fits_it(now: Document) -> None:
    for name, operation in _operations(now):
        for status, answer in operation["responses"].items():
            for media_type, body in answer.get("content", {}).items():
                where = f"{name} {status} {media_type}"
                if media_type in ("*/*", "application/octet-stream", "image/png"):
                    continue  # a file
                examples = body.get("examples") or {"one": {"value": body.get("example")}}
                assert examples, where
                if media_type == "text/event-stream":
                    assert body["example"], where
                    continue
                schema = {**body["schema"], "components": now["components"]}
                for example in examples.values():
                    value = (
                        now["components"]["examples"][example["$ref"].rpartition("/")[2]]["value"]
                        if ("$ref" in example)
                        else example["value"]
                    )
                    jsonschema_rs.validate(schema, value)
                    assert media_type != "application/problem+json" or str(value["status"]) == status, where


BEFORE: Document = {
    "paths": {
        "/things": {
            "post": {
                "operationId": "makeThing",
                "security": [{"key": ["things:make"]}],
                "parameters": [{"in": "query", "name": "size", "schema": {"type": "integer", "maximum": 9}}],
                "requestBody": {
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "properties": {
                                    "color": {"type": ["string", "null"], "enum": ["red", "blue", None]},
                                    "weight": {"type": "number"},
                                },
                            }
                        }
                    }
                },
                "responses": {
                    "200": {
                        "headers": {"ETag": {}},
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}},
                    },
                    "404": {},
                },
            }
        }
    },
    "components": {
        "schemas": {
            "Thing": {
                "type": "object",
                "required": ["id", "state"],
                "properties": {
                    "id": {"type": "string"},
                    "state": {"type": "string", "enum": ["NEW", "OLD"]},
                    "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Thing"}},
                    "size": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
                },
            }
        }
    },
}


def _post(document: Document) -> Document:
    found: Document = document["paths"]["/things"]["post"]
    return found


def _asked(document: Document) -> Document:
    found: Document = _post(document)["requestBody"]["content"]["application/json"]["schema"]
    return found


def _thing(document: Document) -> Document:
    found: Document = document["components"]["schemas"]["Thing"]
    return found


BREAKS: dict[str, Callable[[Document], object]] = {
    "POST /things is gone": lambda d: d["paths"].pop("/things"),
    "POST /things has another operationId": lambda d: _post(d).update(operationId="createThing"),
    "POST /things asks for things:all now": lambda d: _post(d).update(
        security=[{"key": ["things:make", "things:all"]}]
    ),
    "POST /things no longer takes size in the query": lambda d: _post(d).update(parameters=[]),
    "POST /things requires size in the query now": lambda d: _post(d)["parameters"][0].update(required=True),
    "POST /things requires to in the query now": lambda d: _post(d)["parameters"].append(
        {"in": "query", "name": "to", "required": True, "schema": {}}
    ),
    "POST /things size has a narrower maximum": lambda d: _post(d)["parameters"][0]["schema"].update(maximum=8),
    "POST /things size has another pattern": lambda d: _post(d)["parameters"][0]["schema"].update(pattern="x"),
    "POST /things size no longer takes integer": lambda d: _post(d)["parameters"][0].update(schema={"type": "string"}),
    "POST /things requires a body now": lambda d: _post(d)["requestBody"].update(required=True),
    "POST /things no longer takes application/json": lambda d: _post(d)["requestBody"].update(content={}),
    "POST /things body.color no longer takes red": lambda d: _asked(d)["properties"]["color"].update(
        enum=["blue", None]
    ),
    "POST /things body.weight no longer takes number": lambda d: _asked(d)["properties"]["weight"].update(
        type="integer"
    ),
    "POST /things body.weight is gone": lambda d: _asked(d)["properties"].pop("weight"),
    "POST /things body.weight is required now": lambda d: _asked(d).update(required=["weight"]),
    "POST /things body takes no other fields now": lambda d: _asked(d).update(additionalProperties=False),
    "POST /things no longer answers 404": lambda d: _post(d)["responses"].pop("404"),
    "POST /things 200 no longer has ETag": lambda d: _post(d)["responses"]["200"].update(headers={}),
    "POST /things 200 is no longer application/json": lambda d: _post(d)["responses"]["200"].update(content={}),
    "POST /things 200 body.id is gone": lambda d: _thing(d)["properties"].pop("id"),
    "POST /things 200 body.state may be missing now": lambda d: _thing(d).update(required=["id"]),
    "POST /things 200 body.state is never OLD now": lambda d: _thing(d)["properties"]["state"].update(enum=["NEW"]),
    "POST /things 200 body.size may be string now": lambda d: _thing(d)["properties"]["size"]["anyOf"].append(
        {"type": "string"}
    ),
    "POST /things 200 body.parts may be string now": lambda d: _thing(d)["properties"].update(parts={"type": "string"}),
}
ADDS: dict[str, Callable[[Document], object]] = {
    "nothing": lambda d: None,
    "a path": lambda d: d["paths"].update({"/more": {"get": {"operationId": "more", "responses": {}}}}),
    "a parameter": lambda d: _post(d)["parameters"].append({"in": "query", "name": "to", "schema": {}}),
    "a wider bound": lambda d: _post(d)["parameters"][0]["schema"].update(maximum=10),
    "no bound": lambda d: _post(d)["parameters"][0]["schema"].pop("maximum"),
    "a wider type": lambda d: _post(d)["parameters"][0]["schema"].update(type="number"),
    "a field of a request": lambda d: _asked(d)["properties"].update(shape={"type": "string"}),
    "a value of a request": lambda d: _asked(d)["properties"]["color"]["enum"].append("green"),
    "a field of an answer": lambda d: _thing(d)["properties"].update(shape={"type": "string"}),
    "a value of an answer": lambda d: _thing(d)["properties"]["state"]["enum"].append("BETWEEN"),
    "a status": lambda d: _post(d)["responses"].update({"429": {}}),
    "a scope less": lambda d: _post(d).update(security=[{"key": []}]),
    "a null that never comes": lambda d: _thing(d)["properties"]["size"].update(anyOf=[{"type": "integer"}]),
}


@pytest.mark.parametrize("told", BREAKS)
def test_what_breaks_a_client_is_told(told: str) -> None:
    after = copy.deepcopy(BEFORE)
    BREAKS[told](after)

    assert told in breaking(BEFORE, after)


@pytest.mark.parametrize("added", ADDS)
def test_what_only_adds_breaks_nobody(added: str) -> None:
    after = copy.deepcopy(BEFORE)
    ADDS[added](after)

    assert breaking(BEFORE, after) == []


def test_what_a_reader_would_miss_is_told_with_its_remedy(now: Document) -> None:
    poorer = copy.deepcopy(now)
    operation = poorer["paths"]["/v1/jobs"]["get"]
    operation.update(operationId="listAnything", summary="", tags=["things"])

    told = openapi_snapshot.untold(poorer)
    assert [line.partition(":")[0] for line in told] == ["GET /v1/jobs"] * 3
    assert "listAnything in services/api/http/operation_scopes.py" in told[0]


def test_the_command_takes_what_adds_and_refuses_what_breaks(
    now: Document, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "openapi.json"
    monkeypatch.setattr(openapi_snapshot, "SNAPSHOT", place)
    monkeypatch.setattr(openapi_snapshot, "described", lambda: now)
    monkeypatch.setattr(sys, "argv", ["openapi_snapshot"])
    assert openapi_snapshot.main() == 0
    assert json.loads(place.read_text()) == now
    richer = copy.deepcopy(now)
    richer["paths"]["/v1/gone"] = {"get": {"operationId": "gone", "responses": {}}}
    place.write_text(json.dumps(richer))

    assert openapi_snapshot.main() == 1
    assert "breaking: GET /v1/gone is gone" in capsys.readouterr().err
    assert json.loads(place.read_text()) == richer
    monkeypatch.setattr(sys, "argv", ["openapi_snapshot", "--accept-breaking"])
    assert openapi_snapshot.main() == 0
    assert json.loads(place.read_text()) == now
