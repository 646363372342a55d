"""The operator's theme is read with the catalog, refused with reasons, and part of every version."""

from dataclasses import replace
from pathlib import Path

import pytest

from shared.catalog.load import CatalogError, load_catalog
from shared.catalog.theme import USUAL
from tests.unit.catalog.builders import write_report

LOGO = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 10"><rect width="40" height="10"/></svg>'


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    write_report(tmp_path, 'title = "A report"', "SELECT 1 AS a")
    return tmp_path


def test_a_theme_is_every_report_types(catalog: Path) -> None:
    plain = load_catalog(catalog).types["a-report"]
    (catalog / "logo.svg").write_bytes(LOGO)
    (catalog / "theme.toml").write_text(
        'organisation = "Acme"\naccent = "#AA2244"\nrows = "zebra"\nlogo = "logo.svg"\n', encoding="utf-8"
    )

    report = load_catalog(catalog).types["a-report"]
    assert plain.theme is USUAL
    assert report.theme == replace(
        USUAL, organisation="Acme", accent="#aa2244", rows="zebra", logo=LOGO, logo_kind="svg",
        series=("#aa2244", *USUAL.series[1:]), digest=report.theme.digest,
    )  # fmt: skip
    assert report.version != plain.version

    (catalog / "logo.svg").write_bytes(LOGO.replace(b"40", b"50"))
    assert load_catalog(catalog).types["a-report"].version != report.version


def test_what_is_wrong_with_a_theme_is_told_with_its_line(catalog: Path) -> None:
    (catalog / "theme.toml").write_text(
        'accent = "#ffee88"\nrows = "stripes"\nlogo = "../logo.svg"\nseries = ["blue"]\ncolour = 1\n', encoding="utf-8"
    )

    with pytest.raises(CatalogError) as refused:
        load_catalog(catalog)
    told = [problem.removeprefix(f"{catalog}/theme.toml:") for problem in refused.value.problems]
    assert [line.partition(":")[0] for line in told] == ["5", "1", "2", "4", "3"]
    assert "too light for letters" in told[1]
    assert told[2].endswith("is not one of 'hairlines', 'zebra'")
    assert "is not an SVG or PNG file" in told[4]
