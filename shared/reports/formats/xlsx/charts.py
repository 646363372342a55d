# ruff: noqa: E501 - elements of XML, which are read best whole
"""Writes Excel's own charts over the cells of a sheet (ECMA-376 part 1, 21.2 DrawingML charts; read 2026-11-29)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from shared.reports.formats.xlsx.limits import one_line

_CHART = "http://schemas.openxmlformats.org/drawingml/2006/chart"
_MAIN = "http://schemas.openxmlformats.org/drawingml/2006/main"
_ANCHOR = "http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_QUIET, _LINE = "5C6875", "DFE4E9"


@dataclass(frozen=True, slots=True)
class Series:
    """One series of numbers."""

    kind: str
    """`bar` (vertical), `row` (horizontal), `line`, `area` or `pie`."""
    title: str
    """A reference to the cell with its title."""
    categories: str
    values: str
    """References to the cells."""
    colour: str
    """Six hex digits."""
    second_axis: bool = False
    """True for a separate axis on the right."""


@dataclass(frozen=True, slots=True)
class ChartPart:
    """A chart, and its position."""

    series: Sequence[Series]
    first_row: int
    last_row: int
    """Rows of the sheet, from 0."""
    last_column: int
    name: str
    stacked: bool = False
    value_title: str = ""
    palette: Sequence[str] = ()
    value_format: str = ""
    """The format of the number axis on the left; empty for Excel's default."""


def drawing_parts(charts: Sequence[ChartPart]) -> tuple[str, Sequence[str]]:
    """Return the drawing that contains the charts, whose relations are `rId1` and so on, and the charts themselves."""
    anchors = "".join(
        "<xdr:twoCellAnchor>"
        f"<xdr:from><xdr:col>0</xdr:col><xdr:colOff>0</xdr:colOff><xdr:row>{c.first_row}</xdr:row><xdr:rowOff>0</xdr:rowOff></xdr:from>"
        f"<xdr:to><xdr:col>{c.last_column}</xdr:col><xdr:colOff>0</xdr:colOff><xdr:row>{c.last_row}</xdr:row><xdr:rowOff>0</xdr:rowOff></xdr:to>"
        f'<xdr:graphicFrame macro=""><xdr:nvGraphicFramePr><xdr:cNvPr id="{n + 1}" name="{escape(one_line(c.name), _QUOTES)}" '
        f'descr="{escape(one_line(c.name), _QUOTES)}"/><xdr:cNvGraphicFramePr/></xdr:nvGraphicFramePr>'
        '<xdr:xfrm><a:off x="0" y="0"/><a:ext cx="0" cy="0"/></xdr:xfrm><a:graphic>'
        f'<a:graphicData uri="{_CHART}"><c:chart xmlns:c="{_CHART}" r:id="rId{n}"/></a:graphicData></a:graphic>'
        "</xdr:graphicFrame><xdr:clientData/></xdr:twoCellAnchor>"
        for n, c in enumerate(charts, 1)
    )
    drawing = f'<xdr:wsDr xmlns:xdr="{_ANCHOR}" xmlns:a="{_MAIN}" xmlns:r="{_RELATIONS}">{anchors}</xdr:wsDr>'
    return drawing, [_chart(one) for one in charts]


_QUOTES: Mapping[str, str] = {'"': "&quot;"}


def _chart(chart: ChartPart) -> str:
    numbered = list(enumerate(chart.series))
    plots, axes = [], []
    for second in (False, True):
        members = [(n, s) for n, s in numbered if s.second_axis == second]
        ids = (30, 40) if second else (10, 20)
        for kind in dict.fromkeys(s.kind for _, s in members):
            of_kind = [(n, s) for n, s in members if s.kind == kind]
            plots.append(_plot(kind, of_kind, ids, chart))
        if members and members[0][1].kind != "pie":
            axes.append(_axes(members[0][1].kind, ids, chart, second=second))
    legend = len(chart.series) > 1 or chart.series[0].kind == "pie"
    return (
        f'<c:chartSpace xmlns:c="{_CHART}" xmlns:a="{_MAIN}" xmlns:r="{_RELATIONS}"><c:roundedCorners val="0"/><c:chart>'
        f'<c:autoTitleDeleted val="1"/><c:plotArea><c:layout/>{"".join(plots)}{"".join(axes)}</c:plotArea>'
        + ('<c:legend><c:legendPos val="t"/><c:overlay val="0"/></c:legend>' if legend else "")
        + '<c:plotVisOnly val="0"/><c:dispBlanksAs val="gap"/></c:chart>'
        "<c:spPr><a:noFill/><a:ln><a:noFill/></a:ln></c:spPr>"
        f'<c:txPr><a:bodyPr/><a:p><a:pPr><a:defRPr sz="900"><a:solidFill><a:srgbClr val="{_QUIET}"/></a:solidFill>'
        '</a:defRPr></a:pPr><a:endParaRPr lang="en"/></a:p></c:txPr></c:chartSpace>'
    )


def _plot(kind: str, members: Sequence[tuple[int, Series]], ids: tuple[int, int], chart: ChartPart) -> str:
    series = "".join(_series(n, s, chart) for n, s in members)
    axes = "".join(f'<c:axId val="{one}"/>' for one in ids)
    match kind:
        case "line":
            return f'<c:lineChart><c:grouping val="standard"/><c:varyColors val="0"/>{series}<c:marker val="1"/>{axes}</c:lineChart>'
        case "area":
            grouping = "stacked" if chart.stacked else "standard"
            return f'<c:areaChart><c:grouping val="{grouping}"/><c:varyColors val="0"/>{series}{axes}</c:areaChart>'
        case "pie":
            return f'<c:pieChart><c:varyColors val="1"/>{series}<c:firstSliceAng val="0"/></c:pieChart>'
        case _:
            grouping, overlap = ("stacked", 100) if chart.stacked else ("clustered", 0)
            direction = "bar" if kind == "row" else "col"
            return (
                f'<c:barChart><c:barDir val="{direction}"/><c:grouping val="{grouping}"/><c:varyColors val="0"/>{series}'
                f'<c:gapWidth val="45"/><c:overlap val="{overlap}"/>{axes}</c:barChart>'
            )


def _series(number: int, series: Series, chart: ChartPart) -> str:
    fill = f'<a:solidFill><a:srgbClr val="{series.colour}"/></a:solidFill>'
    look = f"<c:spPr>{fill}</c:spPr>"
    marker = smooth = points = ""
    if series.kind == "line":
        look = f'<c:spPr><a:ln w="25400">{fill}</a:ln></c:spPr>'
        dot = f"<c:spPr>{fill}<a:ln>{fill}</a:ln></c:spPr>"
        marker = f'<c:marker><c:symbol val="circle"/><c:size val="5"/>{dot}</c:marker>'
        smooth = '<c:smooth val="0"/>'
    if series.kind == "pie":
        look = ""
        points = "".join(
            f'<c:dPt><c:idx val="{n}"/><c:bubble3D val="0"/><c:spPr><a:solidFill><a:srgbClr val="{colour}"/></a:solidFill></c:spPr></c:dPt>'
            for n, colour in enumerate(chart.palette)
        )
    inverted = '<c:invertIfNegative val="0"/>' if series.kind in {"bar", "row"} else ""
    return (
        f'<c:ser><c:idx val="{number}"/><c:order val="{number}"/><c:tx><c:strRef><c:f>{escape(series.title)}</c:f></c:strRef></c:tx>'
        f"{look}{inverted}{marker}{points}<c:cat><c:strRef><c:f>{escape(series.categories)}</c:f></c:strRef></c:cat>"
        f"<c:val><c:numRef><c:f>{escape(series.values)}</c:f></c:numRef></c:val>{smooth}</c:ser>"
    )


def _axes(kind: str, ids: tuple[int, int], chart: ChartPart, *, second: bool) -> str:
    lying = kind == "row"
    # A horizontal bar chart counts from below; a reader from above.
    order = "maxMin" if lying else "minMax"
    hidden = '<c:delete val="1"/>' if second else '<c:delete val="0"/>'
    line = f'<c:spPr><a:ln><a:solidFill><a:srgbClr val="{_LINE}"/></a:solidFill></a:ln></c:spPr>'
    grid = "" if second else f"<c:majorGridlines>{line}</c:majorGridlines>"
    places = ("l", "b") if lying else ("b", "r" if second else "l")
    crosses = "max" if second or lying else "autoZero"
    code = escape(chart.value_format, _QUOTES) if not second else ""
    look = f'<c:numFmt formatCode="{code or "General"}" sourceLinked="{int(not code)}"/>'
    title = _title(chart.value_title) if chart.value_title and not second else ""
    return (
        f'<c:catAx><c:axId val="{ids[0]}"/><c:scaling><c:orientation val="{order}"/></c:scaling>{hidden}'
        f'<c:axPos val="{places[0]}"/><c:numFmt formatCode="General" sourceLinked="0"/><c:majorTickMark val="none"/>'
        f'<c:minorTickMark val="none"/><c:tickLblPos val="low"/>{line}<c:crossAx val="{ids[1]}"/><c:crosses val="autoZero"/>'
        f'<c:auto val="0"/></c:catAx>'
        f'<c:valAx><c:axId val="{ids[1]}"/><c:scaling><c:orientation val="minMax"/></c:scaling><c:delete val="0"/>'
        f'<c:axPos val="{places[1]}"/>{grid}{title}{look}'
        f'<c:majorTickMark val="none"/><c:minorTickMark val="none"/><c:tickLblPos val="nextTo"/>'
        f'<c:spPr><a:ln><a:noFill/></a:ln></c:spPr><c:crossAx val="{ids[0]}"/><c:crosses val="{crosses}"/></c:valAx>'
    )


def _title(text: str) -> str:
    return (
        '<c:title><c:tx><c:rich><a:bodyPr/><a:p><a:pPr><a:defRPr sz="900" b="0"/></a:pPr>'
        f'<a:r><a:rPr lang="en" sz="900" b="0"/><a:t>{escape(one_line(text))}</a:t></a:r></a:p></c:rich></c:tx><c:overlay val="0"/></c:title>'
    )
