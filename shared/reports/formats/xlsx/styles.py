"""Collects the looks of a workbook's cells, and writes them as its styles (ECMA-376 part 1, 18.8; read 2026-11-29)."""

from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_FIRST_FORMAT_ID = 164
"""The first free id; those below are Excel's own number formats."""
_FACE = '<name val="Calibri"/><family val="2"/>'


@dataclass(frozen=True, slots=True)
class Style:
    """How a cell looks. Colours are six hex digits; empty uses Excel's default."""

    number_format: str = ""
    bold: bool = False
    size: float = 11
    colour: str = ""
    fill: str = ""
    above: str = ""
    below: str = ""
    """The colour of a thin line at the cell's upper or lower edge; `auto` is the text's colour."""
    horizontal: str = ""
    vertical: str = ""
    wrap: bool = False


class Styles:
    """The styles of one workbook, in the order in which they were first requested."""

    def __init__(self) -> None:
        self._known: dict[Style, int] = {Style(): 0}
        self._highlights: list[str] = []

    def of(self, style: Style) -> int:
        """Return the index by which a cell refers to the style."""
        return self._known.setdefault(style, len(self._known))

    def highlight(self, colour: str, fill: str) -> int:
        """Return the index of a look that a rule applies to cells."""
        look = (
            f'<dxf><font><color rgb="FF{colour}"/></font>'
            f'<fill><patternFill><bgColor rgb="FF{fill}"/></patternFill></fill></dxf>'
        )
        if look not in self._highlights:
            self._highlights.append(look)
        return self._highlights.index(look)

    def xml(self) -> str:
        """Return the part `xl/styles.xml`, without its declaration."""
        formats = list(dict.fromkeys(s.number_format for s in self._known if s.number_format))
        fonts = list(dict.fromkeys(_font(s) for s in self._known))
        # The first two are Excel's own, whatever is written there.
        fills = ['<fill><patternFill patternType="none"/></fill>', '<fill><patternFill patternType="gray125"/></fill>']
        fills += dict.fromkeys(_fill(s) for s in self._known if s.fill)
        borders = list(dict.fromkeys(_border(s) for s in self._known))
        cells = [
            _cell(
                s, formats.index(s.number_format) + _FIRST_FORMAT_ID if s.number_format else 0, fonts.index(_font(s)),
                fills.index(_fill(s)) if s.fill else 0, borders.index(_border(s)),
            )
            for s in self._known
        ]  # fmt: skip
        numbers = [
            f'<numFmt numFmtId="{_FIRST_FORMAT_ID + n}" formatCode={quoteattr(f)}/>' for n, f in enumerate(formats)
        ]
        return (
            f'<styleSheet xmlns="{_MAIN}">{_list("numFmts", numbers)}{_list("fonts", fonts)}{_list("fills", fills)}'
            f"{_list('borders', borders)}"
            '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
            f"{_list('cellXfs', cells)}"
            '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
            f"{_list('dxfs', self._highlights)}</styleSheet>"
        )


def _list(name: str, parts: list[str]) -> str:
    return f'<{name} count="{len(parts)}">{"".join(parts)}</{name}>' if parts else ""


def _font(style: Style) -> str:
    colour = f'<color rgb="FF{style.colour}"/>' if style.colour else ""
    return f'<font>{"<b/>" if style.bold else ""}<sz val="{style.size:g}"/>{colour}{_FACE}</font>'


def _fill(style: Style) -> str:
    return f'<fill><patternFill patternType="solid"><fgColor rgb="FF{style.fill}"/></patternFill></fill>'


def _border(style: Style) -> str:
    above, below = (_edge(name, colour) for name, colour in (("top", style.above), ("bottom", style.below)))
    return f"<border><left/><right/>{above}{below}<diagonal/></border>"


def _edge(name: str, colour: str) -> str:
    if not colour:
        return f"<{name}/>"
    shown = 'auto="1"' if colour == "auto" else f'rgb="FF{colour}"'
    return f'<{name} style="thin"><color {shown}/></{name}>'


def _cell(style: Style, number_format: int, font: int, fill: int, border: int) -> str:
    applied = [
        name for name, used in (("NumberFormat", number_format), ("Font", font), ("Fill", fill), ("Border", border))
        if used
    ]  # fmt: skip
    settings = [
        *([f'horizontal="{style.horizontal}"'] if style.horizontal else []),
        *([f'vertical="{style.vertical}"'] if style.vertical else []),
        *(['wrapText="1"'] if style.wrap else []),
    ]
    if settings:
        applied.append("Alignment")
    flags = "".join(f' apply{name}="1"' for name in applied)
    opening = f'<xf numFmtId="{number_format}" fontId="{font}" fillId="{fill}" borderId="{border}" xfId="0"{flags}'
    return f"{opening}><alignment {' '.join(settings)}/></xf>" if settings else f"{opening}/>"


def tint_of(colour: str) -> str:
    """Return a light shade of a colour `#rrggbb`, in six hex digits."""
    parts = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return "".join(f"{round(255 - (255 - part) * 0.08):02X}" for part in parts)
