"""Tables on narrow terminals: no cell is cut in the middle, and columns without room are named."""

import sys
from collections.abc import Callable

import pytest

from todoke.cli import terminal
from todoke.cli.fitting import fit, lines, width
from todoke.cli.output import Column, Writer, field

_ID = "01a22794-c92f-77fb-9d86-d3568fd3c36d"
_COLUMNS = (
    Column("ID", field("id")), Column("NOTHING", field("nothing")), Column("TITLE", field("title"), prose=True),
    Column("AT", field("at")), Column("N", field("n"), right=True),
)  # fmt: skip
_RAW = {"id": _ID, "title": "Delays by carrier and month", "at": "2026-11-29 13:53", "n": 7}
Shown = Callable[[int], tuple[list[str], list[str]]]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shown:
    """A table of one row at so many columns: its lines, and what was said beside it."""

    def show(columns: int) -> tuple[list[str], list[str]]:
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("TODOKE_FORCE_TTY", "1")
        said: list[str] = []
        Writer(None, None, said.append).each([_RAW], _COLUMNS, id_field="id")
        return capsys.readouterr().out.splitlines(), said

    assert terminal.is_terminal(sys.stdout, {"TODOKE_FORCE_TTY": "1"})
    return show


def test_a_table_that_fits_is_whole(shown: Shown) -> None:
    table, said = shown(120)
    assert table[0].split() == ["ID", "NOTHING", "TITLE", "AT", "N"]
    assert said == []


def test_empty_columns_go_first_and_sentences_are_broken_between_words(shown: Shown) -> None:
    table, said = shown(76)
    assert table[0].split() == ["ID", "TITLE", "AT", "N"]
    assert [line[38:55].strip() for line in table[1:]] == ["Delays by carrier", "and month"]
    assert said == []


def test_what_has_no_room_is_left_out_whole_and_named(shown: Shown) -> None:
    table, said = shown(66)
    assert table[0].split() == ["ID", "TITLE"]
    assert said == ["hidden for lack of room: AT, N. Widen the terminal, use --fields, or use -o json"]
    narrowest, said = shown(20)
    assert narrowest == ["ID", _ID]
    assert "TITLE, AT, N" in said[0]


def test_one_thing_without_room_is_a_line_for_each_value(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TODOKE_FORCE_TTY", "1")
    Writer(None, None).one(_RAW, _COLUMNS, id_field="id")
    assert capsys.readouterr().out.splitlines() == [
        f"ID       {_ID}", "TITLE    Delays by carrier and month", "AT       2026-11-29 13:53", "N        7",
    ]  # fmt: skip


def test_japanese_takes_two_cells_a_letter_and_breaks_anywhere() -> None:
    rows = [["種類", "題"], ["a", "航空会社と月ごとの遅れ"]]
    kept = fit(rows, [False, True], 20)
    broken = [line for row in rows for line in lines(row, kept, [False, True], [False, False])]
    assert width("航空") == 4
    assert len(broken) == 3
    assert all(width(line) <= 20 for line in broken)
