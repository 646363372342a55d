"""The two READMEs say the same, as far as a program can tell."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENGLISH, JAPANESE = (ROOT / name for name in ("README.md", "README.ja.md"))


def commands(page: Path) -> list[str]:
    """The lines of its shell blocks, without comments."""
    blocks = re.findall(r"```bash\n(.*?)```", page.read_text(), re.DOTALL)
    return [line.partition("  #")[0].rstrip() for block in blocks for line in block.splitlines()]


def links(page: Path) -> list[str]:
    found = re.findall(r"\]\(([^)]+)\)", page.read_text())
    return sorted(link.replace(".ja.", ".") for link in found)


def shape(page: Path) -> list[tuple[str, int]]:
    """Its headings by depth, and after each how many rows of a table, items of a list and drawn arrows come."""
    parts = re.split(r"^(#+) .*$", page.read_text(), flags=re.MULTILINE)[1:]
    return [
        (depth, len(re.findall(r"^\||^\* |^\s+.*-->", text, re.MULTILINE)))
        for depth, text in zip(parts[::2], parts[1::2], strict=True)
    ]


def test_both_have_the_same_commands() -> None:
    assert commands(ENGLISH) == commands(JAPANESE)
    assert "make run" in commands(ENGLISH)


def test_both_lead_to_the_same_pages_and_to_each_other() -> None:
    assert links(ENGLISH) == links(JAPANESE)
    assert "(README.ja.md)" in "".join(ENGLISH.read_text().splitlines()[:4])
    assert "(README.md)" in "".join(JAPANESE.read_text().splitlines()[:4])


def test_both_have_the_same_parts() -> None:
    assert shape(ENGLISH) == shape(JAPANESE)


@pytest.mark.parametrize("page", [ENGLISH, JAPANESE], ids=lambda page: page.name)
def test_every_curl_fails_aloud_and_every_link_leads_somewhere(page: Path) -> None:
    for line in commands(page):
        if "curl" in line:
            assert re.search(r"curl -f", line), f"an error would be saved as if it were the file: {line}"
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        assert (ROOT / link.partition("#")[0]).exists(), link
