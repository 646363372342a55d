"""Runs Typst on a document: stages what its template may read, and reports Typst's errors with file and line."""

import contextlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import typst

from shared.catalog.links import is_inside
from shared.catalog.model import ReportType
from shared.catalog.typst_packages import packages_in
from shared.reports import errors
from shared.reports.formats.pdf import fonts
from shared.reports.formats.rendering import Rendering

_TEMPLATES = Path(__file__).parent / "templates"


def typeset(rendering: Rendering, folder: Path, content: Mapping[str, Any], path: Path) -> None:
    """Write the document with this content as PDF. `folder` receives everything that the template may read.

    Raises ReportError.
    """
    standards: Any = list(rendering.report.pdf.standards)
    with _compiler(rendering, folder, content) as compiler:
        compiler.compile(output=str(path), format="pdf", timestamp=0, pdf_standards=standards)


def where(rendering: Rendering, folder: Path, content: Mapping[str, Any], label: str) -> tuple[int, float]:
    """Return the page, from 1, and the points from its top at which the document places `label`."""
    with _compiler(rendering, folder, content) as compiler:
        page, y = json.loads(compiler.query(label, field="value", one=True))
    return int(page), float(y)


@contextlib.contextmanager
def _compiler(rendering: Rendering, folder: Path, content: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the compiler of a document; its errors become ReportErrors."""
    _stage(rendering.report, folder)
    (folder / "data.json").write_text(json.dumps(content, ensure_ascii=False))
    template = folder / "template.typ"
    nothing = rendering.scratch / "no-packages"
    nothing.mkdir(exist_ok=True)
    try:
        yield typst.Compiler(
            str(template if template.exists() else folder / "default.typ"),
            root=str(folder),
            font_paths=fonts.for_typst(rendering.fonts),
            package_path=str(nothing),
            package_cache_path=str(nothing),
        )
    except RuntimeError as error:  # TypstError is one
        at = re.search(r"┌─ (\S+):(\d+):\d+", getattr(error, "diagnostic", ""))
        where = f"{Path(at[1]).name} in line {at[2]}" if at else template.name
        said = str(error).replace(f"{folder}/", "").replace(str(folder), "the report type's folder")
        if "package" in said and re.search(r"download|not found|searched", said):
            # A name that is composed while the template runs. Typst then says where it looked, and what failed.
            wanted = re.search(r"[\w-]+-\d+\.\d+\.\d+|@?[\w-]+/[\w-]+:[\d.]+", said)
            said = f"it asks for {f'the package {wanted[0]}' if wanted else 'a package'}, and packages are not fetched"
        raise errors.template_failed(where, said) from None


def _stage(report: ReportType, folder: Path) -> None:
    """Copy what the template may read: its own folder and Todoke's templates. Typst opens nothing outside.

    The catalog may have changed since it was loaded, so its rules about links and packages are applied once more.
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
