"""The documented scopes of an operation are those that the server requires: each scope with each operation."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.engine import Connection

from services.api.http.operation_scopes import OPERATION_SCOPES
from shared.access import api_keys
from shared.access.scopes import OWN
from tests.support.api_app import an_app

ENDLESS = {"streamJobs"}
"""Its answer has no end: whoever may hear it is tests/services/test_tenant_streams.py's."""


BY_THEIR_BODIES = {("createKey", "jobs:create"), ("createKey", "jobs:read"), ("createBulk", "jobs:create")}
"""What the example asks for besides: scopes to give to a new key, and what is to be done to jobs."""


class Asked:
    """One API, its description, and keys by the scopes that they have."""

    def __init__(self, client: TestClient, conn: Connection) -> None:
        self._client, self._conn = client, conn
        self._keys: dict[frozenset[str], str] = {}
        self.operations: dict[str, tuple[str, str, dict[str, Any]]] = {
            operation["operationId"]: (method.upper(), path, operation)
            for path, methods in client.get("/openapi.json").json()["paths"].items()
            for method, operation in methods.items()
        }

    def status(self, name: str, scopes: frozenset[str]) -> int:
        """How a request that is right is answered to somebody with these scopes."""
        if scopes not in self._keys:
            self._keys[scopes] = api_keys.create_key(self._conn, tenant="acme", name="ci", scopes=scopes)
        method, path, operation = self.operations[name]
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
        path = re.sub(r"{\w+}", str(uuid4()), path.replace("{kind}", "tenant"))
        headers = {"Authorization": f"Bearer {self._keys[scopes]}"}
        return self._client.request(method, path, json=body, headers=headers).status_code


@pytest.fixture
def asked(database_url: str, conn: Connection, scratch: Path) -> Iterator[Asked]:
    app = an_app(database_url, scratch, API_AUTH="keys")
    with TestClient(app, raise_server_exceptions=False, follow_redirects=False) as client:
        yield Asked(client, conn)


def test_every_operation_tells_its_scopes(asked: Asked) -> None:
    versioned = {name for name, (_, path, _) in asked.operations.items() if path.startswith("/v1/")}
    assert versioned - set(OPERATION_SCOPES) == set()
    for name, needed in OPERATION_SCOPES.items():
        told = asked.operations[name][2]["security"]
        assert {tuple(scopes) for one in told for scopes in one.values()} == {tuple(map(str, needed))}, name


def test_whoever_lacks_a_scope_that_is_told_is_refused_and_nobody_else_is(asked: Asked) -> None:
    wrong = []
    for name, needed in OPERATION_SCOPES.items():
        for scope in sorted(OWN):
            expected = scope in needed
            if (name in ENDLESS and not expected) or (name, scope) in BY_THEIR_BODIES:
                continue
            if (asked.status(name, OWN - {scope}) == 403) != expected:
                wrong.append(f"{name} without {scope} is {'' if expected else 'not '}to be refused")
    assert wrong == []


def test_what_is_told_is_enough(asked: Asked) -> None:
    for name, needed in OPERATION_SCOPES.items():
        besides = {scope for operation, scope in BY_THEIR_BODIES if operation == name}
        if name not in ENDLESS:
            assert asked.status(name, frozenset(map(str, needed)) | besides) != 403, name
