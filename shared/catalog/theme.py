"""The operator's design of documents: `theme.toml` in the catalog, for all of its report types."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from shared.catalog.toml import Table
from shared.suggest import did_you_mean_one_of

NAME = "theme.toml"
KEYS = ("organisation", "accent", "rows", "series", "logo")
ROWS = ("hairlines", "zebra")
"""The separation of a table's rows; the first is the default."""
_COLOUR = re.compile("#[0-9a-f]{6}", re.IGNORECASE)
_MOST_SERIES = 12
_LOGO_KINDS = {".svg": "svg", ".png": "png"}
_LOGO_BYTES = 128 << 10
"""The logo travels with each report to the process that makes it."""
_DARKEST_ON_WHITE = 3.0
"""The least contrast of the accent with white paper: WCAG 2.2, 1.4.3, for large letters."""


@dataclass(frozen=True, slots=True)
class Theme:
    """How documents look, besides what a report type says about itself."""

    organisation: str = ""
    """The owner of these documents, shown in their header."""
    accent: str = "#1d5b8f"
    """The colour of titles and rules, and the first colour of charts."""
    rows: str = ROWS[0]
    series: tuple[str, ...] = ("#1d5b8f", "#d9a441", "#4f8a5b", "#a8505a", "#6a5f9e", "#4a8c99", "#8a6d3b", "#66727f")
    """The colours of a chart's series, in their order."""
    logo: bytes = b""
    logo_kind: str = ""
    """`svg` or `png`."""
    digest: str = ""
    """The digest of the files that it was read from; empty for the default."""


USUAL = Theme()


def read_theme(table: Table, folder: Path, text: str) -> Theme:
    """Read the tables of `theme.toml`, and note their mistakes. The logo is in `folder`."""
    table.only(KEYS)
    accent = _colour(table, "accent", USUAL.accent)
    if _contrast_with_white(accent) < _DARKEST_ON_WHITE:
        table.wrong("accent", f"{accent} is too light for letters on white paper: take a darker shade")
    rows = table.text("rows", ROWS[0])
    if rows not in ROWS:
        table.wrong("rows", f"{rows!r} is not one of {', '.join(map(repr, ROWS))}{did_you_mean_one_of(rows, ROWS)}")
    series = table.strings("series") or (accent, *USUAL.series[1:])
    if len(series) > _MOST_SERIES or any(not _COLOUR.fullmatch(one) for one in series):
        table.wrong("series", f'must be at most {_MOST_SERIES} colours: write series = ["#1d5b8f", "#d9a441"]')
    name = table.text("logo")
    logo = _logo(table, folder, name) if name else b""
    return Theme(
        organisation=table.text("organisation"), accent=accent, rows=rows, series=series, logo=logo,
        logo_kind=_LOGO_KINDS.get(Path(name).suffix.lower(), "") if logo else "",
        digest=hashlib.sha256(text.encode() + b"\0" + logo).hexdigest(),
    )  # fmt: skip


def _colour(table: Table, key: str, usual: str) -> str:
    colour = table.text(key, usual)
    if _COLOUR.fullmatch(colour):
        return colour.lower()
    table.wrong(key, f'{colour!r} is not a colour: write {key} = "{usual}"')
    return usual


def _contrast_with_white(colour: str) -> float:
    """Return the contrast ratio by WCAG 2.2 (relative luminance; read 2026-11-29)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)


def _logo(table: Table, folder: Path, name: str) -> bytes:
    path = folder / name
    if Path(name).name != name or Path(name).suffix.lower() not in _LOGO_KINDS or not path.is_file():
        table.wrong("logo", f"{name!r} is not an SVG or PNG file beside {NAME}: put one there")
        return b""
    content = path.read_bytes()
    if len(content) > _LOGO_BYTES:
        table.wrong("logo", f"{name} has more than {_LOGO_BYTES >> 10} KB: make it smaller")
        return b""
    return content
