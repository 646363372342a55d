"""Writes a PDF: Typst typesets the title page, charts and summaries, a canvas draws the long tables."""

import contextlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pikepdf
import typst

from shared.catalog.links import is_inside
from shared.catalog.model import ReportType
from shared.catalog.typst_packages import packages_in
from shared.reports import errors
from shared.reports.formats.labels import labels_of
from shared.reports.formats.pdf import chart, fonts, pages
from shared.reports.formats.pdf.layout import blocks
from shared.reports.formats.pdf.letters import named
from shared.reports.formats.pdf.summary import Summaries, Table, open_summaries
from shared.reports.formats.pdf.table import long_tables
from shared.reports.formats.rendering import Rendering
from shared.reports.warnings import ReportWarning, WarningCode

_TEMPLATES = Path(__file__).parent / "templates"
_FEW_ROWS = 60
"""The most rows that stand in the document itself; more rows, or wide ones, become an appendix."""


def write_pdf(rendering: Rendering) -> int:
    """Write the PDF. The same rows give the same bytes: no date, no random identifier.

    Raises ReportError, with the template's own message if Typst refuses it.
    """
    folder = rendering.scratch / "document"
    folder.mkdir()
    font_set = fonts.FontSet(rendering.fonts)
    with open_summaries(rendering) as summaries:
        content = _content(rendering, summaries, folder, font_set)
    wanted = rendering.report.pdf.appendix and content["table"] is None
    appendix = _appendix(rendering, font_set) if wanted else []
    content["appendixPages"] = sum(part.pages for part in appendix)
    main = rendering.scratch / "main.pdf"
    _typeset(rendering, folder, content, main)
    _join(main, appendix, rendering.path)
    rendering.warnings.extend(_warnings(font_set, rendering.path.name))
    rendering.progress(rendering.extract.rows)
    return rendering.extract.rows


def rehearse(rendering: Rendering) -> None:
    """Do what `write_pdf` does, but for charts and Typst, whose threads would not survive a fork."""
    font_set = fonts.FontSet(rendering.fonts)
    with open_summaries(rendering) as summaries:
        _content(rendering, summaries, rendering.scratch, font_set)
    first, *others = _appendix(rendering, font_set)
    _join(first.path, others, rendering.path)


def _appendix(rendering: Rendering, font_set: fonts.FontSet) -> list[pages.Part]:
    return [part for table in long_tables(rendering, font_set) for part in pages.draw(table, rendering.scratch)]


def _join(main: Path, appendix: Sequence[pages.Part], path: Path) -> None:
    """Put the appendix behind the document, and number its pages: now it is known how many there are."""
    with contextlib.ExitStack() as stack:
        document = stack.enter_context(pikepdf.open(main))
        number = len(document.pages)
        last = number + sum(part.pages for part in appendix)
        for part in appendix:
            added = stack.enter_context(pikepdf.open(part.path)).pages
            for page in added:
                number += 1
                page.contents_add(part.footer.code(number, last))
            document.pages.extend(added)
        document.save(path, deterministic_id=True, object_stream_mode=pikepdf.ObjectStreamMode.generate)


def _warnings(font_set: fonts.FontSet, file: str) -> Iterator[ReportWarning]:
    """Yield what the fonts could not draw, by name."""
    if font_set.missing:
        count = len(font_set.missing)
        message = f"{file}: no font has {count} of its letters: a box stands in the place of each."
        yield ReportWarning(WarningCode.LETTERS_MISSING, file, message, named(font_set.missing))
    if font_set.unjoined:
        count = len(font_set.unjoined)
        message = f"{file}: {count} of its letters are drawn one by one, from left to right, without their neighbours."
        yield ReportWarning(WarningCode.LETTERS_NOT_JOINED, file, message, named(font_set.unjoined))


def _content(rendering: Rendering, summaries: Summaries, folder: Path, font_set: fonts.FontSet) -> dict[str, Any]:
    report, pdf = rendering.report, rendering.report.pdf

    def measured(table: Table) -> dict[str, Any]:
        return {**asdict(table), "blocks": [asdict(block) for block in blocks(table, pdf.paper, font_set)]}

    figures = pdf.figures and summaries.table("figures", "", pdf.figures.query, pdf.figures.columns)
    tables = [measured(summaries.table(t.name, t.title, t.query, t.columns)) for t in pdf.tables]
    charts = []
    for one in pdf.charts:
        values = summaries.objects(one.name, one.query)
        drawn = chart.draw(_file(report, one.spec), values, report.translations, rendering.fonts)
        (folder / f"chart-{one.name}.svg").write_text(drawn)
        font_set.look_at(chart.texts(drawn))
        charts.append({"title": one.title, "file": f"chart-{one.name}.svg"})
    labels = labels_of(rendering.language)
    few = summaries.all_rows(labels.appendix) if pdf.appendix and rendering.extract.rows <= _FEW_ROWS else None
    whole = measured(few) if few else None
    content = {
        "title": report.title,
        "description": report.description,
        "author": "Todoke",
        "keywords": [report.name, f"version {report.version}"],
        "language": rendering.language.partition("-")[0],
        "labels": asdict(labels),
        "fonts": font_set.families,
        "paper": pdf.paper,
        "parameters": [{"name": name, "value": value} for name, value in rendering.shown_parameters()],
        "rowCount": f"{rendering.extract.rows:,}",
        "figures": _figures(figures) if figures else [],
        "tables": tables,
        "charts": charts,
        "table": whole if whole and len(whole["blocks"]) == 1 else None,
    }
    font_set.look_at(_texts(content))
    return content


def _texts(content: object) -> Iterator[str]:
    """Yield every text of the document."""
    match content:
        case str():
            yield content
        case Mapping():
            for value in content.values():
                yield from _texts(value)
        case list() | tuple():
            for value in content:
                yield from _texts(value)


def _figures(table: Table) -> Sequence[Mapping[str, object]]:
    if len(table.rows) > 1:
        raise errors.summary_too_large("figures", 1)
    values = table.rows[0] if table.rows else [""] * len(table.columns)
    return [{"title": c["title"], "value": v or "-"} for c, v in zip(table.columns, values, strict=True)]


def _typeset(rendering: Rendering, folder: Path, content: Mapping[str, Any], path: Path) -> None:
    _stage(rendering.report, folder)
    (folder / "data.json").write_text(json.dumps(content, ensure_ascii=False))
    template = folder / "template.typ"
    nothing = rendering.scratch / "no-packages"
    nothing.mkdir()
    try:
        compiler = typst.Compiler(
            str(template if template.exists() else folder / "default.typ"),
            root=str(folder),
            font_paths=fonts.for_typst(rendering.fonts),
            package_path=str(nothing),
            package_cache_path=str(nothing),
        )
        compiler.compile(output=str(path), format="pdf", timestamp=0)
    except RuntimeError as error:  # TypstError is one
        at = re.search(r"┌─ (\S+):(\d+):\d+", getattr(error, "diagnostic", ""))
        where = f"{Path(at[1]).name} in line {at[2]}" if at else template.name
        said = str(error).replace(f"{folder}/", "").replace(str(folder), "the report type's folder")
        if "package" in said and re.search(r"download|not found|searched", said):
            # A name that is put together while the template runs. Typst then tells where it looked, and what failed.
            wanted = re.search(r"[\w-]+-\d+\.\d+\.\d+|@?[\w-]+/[\w-]+:[\d.]+", said)
            said = f"it asks for {f'the package {wanted[0]}' if wanted else 'a package'}, and packages are not fetched"
        raise errors.template_failed(where, said) from None


def _stage(report: ReportType, folder: Path) -> None:
    """Copy what the template may read: its own folder and Todoke's templates. Typst opens nothing outside.

    The catalog may have changed since it was loaded: its rules about links and packages hold here once more.
    """
    own: Sequence[Path] = sorted(report.folder.rglob("*")) if report.folder else ()
    catalog = report.folder.parent.resolve() if report.folder else folder
    for path in own:
        name = path.relative_to(report.folder or path)
        if any(part.startswith(".") for part in name.parts) or not path.is_file():
            continue
        if not is_inside(path, catalog):
            raise errors.template_failed(name.as_posix(), "it is a link that leads out of the catalog")
        if path.suffix == ".typ":
            for line, package in packages_in(path):
                raise errors.template_failed(
                    f"{name.as_posix()} in line {line}", f"it asks for the package {package}, and none is fetched"
                )
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / name)
    for template in ("todoke.typ", "default.typ"):
        shutil.copyfile(_TEMPLATES / template, folder / template)


def _file(report: ReportType, name: str) -> Path:
    if report.folder is None:
        raise LookupError(f"{report.name} has no folder to hold {name}")
    return report.folder / name
