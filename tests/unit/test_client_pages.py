"""The pages of the client and its command are what the code says, and the lines that are shown first work."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.tools import client_page, command_line_page
from tests.client.fake_api import World, serving

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"


@pytest.mark.parametrize(("name", "page"), [("client", client_page.page), ("todoke", command_line_page.page)])
def test_a_page_that_is_made_from_the_code_is_up_to_date(name: str, page: Callable[[], str]) -> None:
    module = "client_page" if name == "client" else "command_line_page"
    remedy = f"run `python -m deploy.tools.{module} > docs/reference/{name}.md`"
    assert (REFERENCE / f"{name}.md").read_text(encoding="utf-8") == page(), remedy


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
