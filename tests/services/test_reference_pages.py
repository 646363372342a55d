"""Pages for people: /docs, and a page at the `type` of every problem."""

import base64
import hashlib
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from services.api.http import problem_codes, problems
from services.api.http.problem_codes import PROBLEMS
from shared.failures import FailureCode
from tests.support.api_app import an_app


@pytest.fixture
def client(database_url: str, scratch: Path) -> Iterator[TestClient]:
    app = an_app(database_url, scratch, API_AUTH="keys", API_ROOT_PATH="/reports")
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


class _Page(HTMLParser):
    """What a browser would find."""

    _VOID = frozenset(("meta", "link", "br", "hr", "img", "input"))

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.attributes: set[str] = set()
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [str(value) for name, value in attrs if name == "href"]
        self.ids |= {str(value) for name, value in attrs if name == "id"}
        if tag not in self._VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag


def page(client: TestClient, path: str) -> tuple[_Page, str]:
    """The page, which loads nothing and runs nothing."""
    answer = client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8"), path
    policy = answer.headers["content-security-policy"]
    found = _Page(answer.text)
    [style] = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert not {"script", "link", "img", "iframe", "form", "base"} & set(found.tags), path
    assert not {"style", "src", "onclick", "onload"} & found.attributes, path
    return found, answer.text


def test_the_reference_shows_every_operation_and_leads_nowhere_wrong(client: TestClient) -> None:
    found, text = page(client, "/docs")
    paths = client.get("/openapi.json").json()["paths"]

    operations = {operation["operationId"] for methods in paths.values() for operation in methods.values()}
    assert operations <= found.ids
    assert {link[1:] for link in found.links if link.startswith("#")} == operations
    for path in {link for link in found.links if not link.startswith("#")}:
        assert path.startswith("/reports/"), path
        assert client.get(path).status_code == 200, path
    assert "needs jobs:create" in text
    assert "&#34;jobId&#34;: &#34;" in text, "an example"


def test_every_code_has_a_page(client: TestClient) -> None:
    codes = {code for _, some, _ in PROBLEMS for code in some} | {str(code) for code in FailureCode}
    index, _ = page(client, "/problems")

    assert {f"/reports/problems/{code}" for code in codes} <= set(index.links)
    for code in codes:
        assert f"<h1><code>{code}</code></h1>" in page(client, f"/problems/{code}")[1]
    assert client.get("/problems/<script>").status_code == 404
    assert client.get("/problems/unheard_of").json()["code"] == "unknown_path"
    assert client.head("/problems").status_code == 200


def test_the_type_of_a_problem_leads_to_its_page_and_the_instance_names_the_request(client: TestClient) -> None:
    answer = client.get("/v1/jobs", headers={"X-Request-Id": "mine-7"})
    told = answer.json()

    assert told["type"] == "/reports/problems/unauthorized"
    assert client.get(told["type"]).status_code == 200
    assert (told["instance"], told["requestId"]) == ("/reports/requests/mine-7", "mine-7")
    assert answer.headers["content-language"] == "en"


def test_every_code_that_the_code_names_has_a_page() -> None:
    code = "\n".join(file.read_text() for file in Path(problems.__file__).parents[1].rglob("*.py"))
    told = {(status, name) for status, names, _ in PROBLEMS for name in names}
    plain = {(int(status), name) for status, name in re.findall(r'_plain\(\s*(\d+),\s*"([a-z_]+)"', code)}

    assert len(plain) > 10
    assert plain - told == set()
    assert {name for _, name in told} >= problem_codes.RETRYABLE
