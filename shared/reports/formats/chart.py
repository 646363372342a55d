"""Draws a Vega-Lite specification as SVG, without a browser and without a network."""

import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from shared.catalog.model import Chart, ReportType
from shared.json_text import with_texts
from shared.reports import charts, errors
from shared.reports.formats.chart_fit import on_the_clock, shows_something, with_names_for_null
from shared.reports.formats.chart_theme import Words, themed
from shared.reports.formats.pdf import fonts
from shared.reports.formats.pdf.letters import of_letters_in_xml
from shared.reports.formats.pdf.outlines import with_outlines
from shared.reports.formats.rendering import Rendering


def draw(
    specification: Path, values: Sequence[Mapping[str, Any]], report: ReportType, fonts_folder: Path | None,
    *, outlined_by: fonts.FontSet | None = None,
) -> str:  # fmt: skip
    """Return the chart as SVG, in the report type's language and the operator's colours; empty if it would show no
    value.

    Raises ReportError. Texts whose letters join are drawn as outlines of these fonts, if any are given.
    """
    values = with_texts([*values], of_letters_in_xml, names=True)
    spec = with_texts(
        json.loads(specification.read_text("utf-8-sig")), lambda text: report.translations.get(text, text)
    )
    spec = with_texts(spec, of_letters_in_xml, names=True)
    is_empty = not shows_something(spec, values)
    values = on_the_clock(spec, with_names_for_null(spec, values))
    spec = themed(spec, report.theme, Words(report.language, report.columns), values)
    spec["data"] = {"values": values}
    family = ", ".join(face.family for face in fonts.chain(fonts_folder))
    try:
        drawn = charts.draw(charts.Chart(json.dumps(spec), family), fonts_folder)
    except charts.ChartRefused as error:
        raise errors.chart_failed(specification.name, _cause(str(error))) from None
    if is_empty:  # drawn all the same, so that a wrong specification is noticed
        return ""
    drawn = _with_own_numbers(drawn)
    return with_outlines(drawn, outlined_by) if outlined_by else _with_families(drawn, fonts_folder)


def draw_of(
    one: Chart, values: Sequence[Mapping[str, Any]], rendering: Rendering,
    *, outlined_by: fonts.FontSet | None = None,
) -> str:  # fmt: skip
    """Return a report type's chart of these values as `draw` does. Raises ReportError."""
    report = rendering.report
    if report.folder is None:
        raise LookupError(f"{report.name} has no folder to hold {one.spec}")
    return draw(report.folder / one.spec, values, report, rendering.fonts, outlined_by=outlined_by)


def size_of(drawn: str) -> tuple[float, float]:
    """Return width and height of a drawn chart, in pixels."""
    found = re.match(r'<svg[^>]*? width="([0-9.]+)"[^>]*? height="([0-9.]+)"', drawn)
    return (float(found[1]), float(found[2])) if found else (1.0, 1.0)


def texts(drawn: str) -> Iterator[str]:
    """Yield the texts of a drawn chart."""
    yield from (html.unescape(text) for text in re.findall(r">([^<>]+)</t(?:ext|span)", drawn))


def _with_own_numbers(drawn: str) -> str:
    """Number the clip paths from 1: Vega numbers those of all charts of a process in one sequence."""
    numbers: dict[str, int] = {}

    def own(found: re.Match[str]) -> str:
        return f"{found[1]}{numbers.setdefault(found[2], len(numbers) + 1)}{found[3]}"

    # Only within tags: a text of the chart may contain anything but "<".
    return re.sub(r'(<[^<>]* clip-path="url\(#clip|<clipPath id="clip)([0-9]+)(\)?")', own, drawn)


def _with_families(drawn: str, fonts_folder: Path | None) -> str:
    """Name the font of each piece of the texts whose letters join: an SVG renderer uses one font for a text, and looks
    for another one letter by letter.
    """
    font_set = fonts.FontSet(fonts_folder)

    def named(found: re.Match[str]) -> str:
        text = html.unescape(found[1])
        if not font_set.is_joined(text):
            return found[0]
        pieces = font_set.families_of(text)
        spans = (f'<tspan font-family="{html.escape(name)}">{html.escape(piece)}</tspan>' for name, piece in pieces)
        return f">{''.join(spans)}</{found[2]}"

    return re.sub(r">([^<>]+)</(text|tspan)", named, drawn)


def _cause(message: str) -> str:
    """Return what the library says is wrong: it follows a heading, and precedes the place in its own code."""
    heading, *lines = [line.strip() for line in message.splitlines() if line.strip()] or ["no reason was given"]
    cause = next((line for line in lines if not line.startswith("at ")), heading)
    return cause.removeprefix("Error: ").rstrip(".:")
