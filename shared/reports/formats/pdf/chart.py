"""Draws a Vega-Lite specification as SVG, without a browser and without a network."""

import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from shared.reports import charts, errors
from shared.reports.formats.pdf import fonts


def draw(
    specification: Path, values: Sequence[Mapping[str, Any]], texts: Mapping[str, str], fonts_folder: Path | None
) -> str:
    """Return the chart as SVG. `texts` translates its titles and labels. Raises ReportError."""
    spec = _translated(json.loads(specification.read_text("utf-8-sig")), texts)
    spec["data"] = {"values": values}
    family = ", ".join(face.family for face in fonts.chain(fonts_folder))
    try:
        return charts.draw(charts.Chart(json.dumps(spec), family), fonts_folder)
    except charts.ChartRefused as error:
        raise errors.chart_failed(specification.name, _cause(str(error))) from None


def texts(drawn: str) -> Iterator[str]:
    """Yield the texts of a chart that was drawn."""
    yield from (html.unescape(text) for text in re.findall(r">([^<>]+)</text", drawn))


def _cause(message: str) -> str:
    """Return what the library says is wrong: it stands below a heading, above where in its own code that was."""
    heading, *lines = [line.strip() for line in message.splitlines() if line.strip()] or ["no reason was given"]
    cause = next((line for line in lines if not line.startswith("at ")), heading)
    return cause.removeprefix("Error: ").rstrip(".:")


def _translated(node: Any, texts: Mapping[str, str]) -> Any:
    match node:
        case dict():
            return {key: _translated(value, texts) for key, value in node.items()}
        case list():
            return [_translated(value, texts) for value in node]
        case str():
            return texts.get(node, node)
        case _:
            return node
