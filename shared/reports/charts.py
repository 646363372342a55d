"""Draws Vega-Lite specifications as SVG, in this process or wherever `draw_by` sends them."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MOST_BYTES = 8 << 20
"""The largest specification with its values, and the largest drawing."""


class ChartRefused(ValueError):
    """The chart cannot be drawn. The message says why."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart to draw."""

    specification: str
    """Vega-Lite as JSON, its values included."""
    family: str
    """The fonts of its texts, as CSS lists them."""


Draw = Callable[[Chart, Path | None], str]
"""A chart and the folder of REPORT_FONTS → SVG. Raises ChartRefused."""


def draw_here(chart: Chart, fonts: Path | None) -> str:
    """Draw in this process. The first chart starts V8, which takes a quarter of a second and 100 MB."""
    import vl_convert  # imported here, because only few processes draw

    _configure(fonts)
    config = {"font": chart.family, "background": "white", "view": {"stroke": None}}
    try:
        return str(vl_convert.vegalite_to_svg(chart.specification, config=config))
    except (ValueError, PermissionError) as error:  # the latter for data that is to be fetched
        raise ChartRefused(str(error).replace("VLC_ACCESS_DENIED: ", "")) from None


@functools.cache
def _configure(fonts: Path | None) -> None:
    """Give the library our fonts. Data and pictures that a chart names are neither fetched nor read from files."""
    import vl_convert

    vl_convert.configure(allowed_base_urls=[], base_url=False)
    for folder in (fonts, FACES):
        if folder is not None:
            vl_convert.register_font_directory(str(folder))


FACES = Path(__file__).parent / "formats" / "pdf" / "faces"
"""The folder of Todoke's own fonts."""
_drawers: list[Draw] = [draw_here]


def draw(chart: Chart, fonts: Path | None) -> str:
    """Draw the chart. Raises ChartRefused."""
    return _drawers[-1](chart, fonts)


def draw_by(drawer: Draw) -> None:
    """Send all charts of this process to `drawer` from now on."""
    _drawers.append(drawer)
