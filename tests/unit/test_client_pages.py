"""The pages of the client and its command match the code, and the first code examples work."""

import dataclasses
import inspect
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import todoke
from deploy.tools import client_page, command_line_page
from tests.client.fake_api import World, serving
from todoke import Todoke

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"


@pytest.mark.parametrize(("name", "page"), [("client", client_page.page), ("todoke", command_line_page.page)])
def test_a_page_that_is_made_from_the_code_is_up_to_date(name: str, page: Callable[[], str]) -> None:
    module = "client_page" if name == "client" else "command_line_page"
    remedy = f"run `python -m deploy.tools.{module} > docs/reference/{name}.md`"
    assert (REFERENCE / f"{name}.md").read_text(encoding="utf-8") == page(), remedy


def test_the_page_of_the_client_has_every_method_and_every_value() -> None:
    """Webhooks were not on it."""
    page = client_page.page()
    with Todoke("http://127.0.0.1:1") as client:
        parts = {name: getattr(client, name) for name in dir(client) if not name.startswith("_")}
        parts = {name: part for name, part in parts.items() if type(part).__module__.startswith("todoke.")}
    assert len(parts) > 8
    methods = [f"{name}.{one}" for name, part in parts.items() for one in dir(part)
               if not one.startswith("_") and inspect.isroutine(getattr(part, one))]  # fmt: skip
    assert [one for one in methods if f"todoke.{one}(" not in page] == []
    values = [one for one in todoke.__all__ if dataclasses.is_dataclass(getattr(todoke, one))]
    assert len(values) > 50
    assert [one for one in values if f"### {one}\n" not in page] == []


@pytest.mark.parametrize("page", ["README.md", "README.ja.md", "client/README.md"])
def test_the_lines_that_a_page_shows_first_make_a_file(
    page: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = re.search(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    with serving(World()) as url:
        monkeypatch.setenv("TODOKE_URL", url)
        monkeypatch.chdir(tmp_path)
        exec(found[1], {})  # noqa: S102 - our own page

    assert len(list(tmp_path.rglob("calendar.csv"))) == 1
