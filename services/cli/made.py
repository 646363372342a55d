"""The output of `todoke-server render`: finished files on stdout, messages on stderr."""

import contextlib
import json
import shutil
import subprocess
import sys
import webbrowser
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from services.cli.terminal import moves_the_cursor
from shared.catalog.model import ReportType
from shared.reports.interface import Progress, RenderedFile, ReportError

_CLEAR = "\r\x1b[K"


def say(line: str) -> None:
    """Print a message."""
    print(line, file=sys.stderr, flush=True)


def place(files: Sequence[RenderedFile], folder: Path) -> Sequence[RenderedFile]:
    """Copy the files into `folder`, each completely or not at all, replacing files of the same name. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    placed = []
    for file in files:
        target, part = folder / file.name, folder / f".{file.name}.part"
        try:
            shutil.copyfile(file.path, part)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        placed.append(replace(file, path=target))
    return placed


def tell(report: ReportType, files: Sequence[RenderedFile], seconds: float, output: str) -> None:
    """Print the files with rows and size, and their warnings."""
    if output == "json":
        print(json.dumps(_document(report, files, seconds), ensure_ascii=False), flush=True)
        return
    on_a_terminal = sys.stdout.isatty()
    for file in files:
        if on_a_terminal:
            print(f"  {file.path!s:<40} {file.rows:>10,} rows {_size(file.size_bytes):>9}")
        else:
            print(file.path, file.rows, file.size_bytes, sep="\t", flush=True)
    for warning in (warning for file in files for warning in file.warnings):
        say(f"note: {warning.message} {'; '.join(warning.characters)}".rstrip())
    say(f"{report.name} made in {seconds:.2f} s")


def _document(report: ReportType, files: Sequence[RenderedFile], seconds: float) -> dict[str, object]:
    return {
        "reportType": report.name,
        "reportVersion": report.version,
        "seconds": round(seconds, 3),
        "files": [
            {"name": f.name, "path": str(f.path), "format": f.format, "rows": f.rows, "sizeBytes": f.size_bytes,
             "sha256": f.sha256}
            for f in files
        ],
        "warnings": [warning.as_json() for file in files for warning in file.warnings],
    }  # fmt: skip


def tell_error(error: ReportError, told: str, output: str) -> None:
    """Print why the report could not be made: as a line for people, or in the form in which a worker writes it into the
    job.
    """
    if output == "json":
        document = {"code": error.code, "message": str(error), "hint": error.hint, "retryable": error.retryable}
        say(json.dumps(document, ensure_ascii=False))
    else:
        say(f"{told} ({error.code})")


def tell_problems(problems: Sequence[str], output: str) -> None:
    """Print why the catalog cannot be used."""
    say(json.dumps({"problems": list(problems)}, ensure_ascii=False) if output == "json" else "\n".join(problems))


@contextlib.contextmanager
def progress() -> Iterator[Callable[[Progress], None]]:
    """Yield a function that shows the progress: on a terminal, in one line that disappears; elsewhere not at all."""
    if not moves_the_cursor(sys.stderr):
        yield lambda _: None
        return

    def show(at: Progress) -> None:
        percent = f" {at.percent:.0f} %" if at.percent is not None else ""
        print(f"{_CLEAR}{at.phase} {at.rows:,} rows{percent}", end="", file=sys.stderr, flush=True)

    try:
        yield show
    finally:
        print(_CLEAR, end="", file=sys.stderr, flush=True)


def open_file(path: Path) -> None:
    """Open the file with this machine's program for it, if there is one."""
    opener = shutil.which("open" if sys.platform == "darwin" else "xdg-open")
    if opener is not None:
        quiet = subprocess.DEVNULL
        # The file's path cannot be taken for an option: it is absolute.
        subprocess.Popen([opener, str(path.resolve())], stdin=quiet, stdout=quiet, stderr=quiet)  # noqa: S603
    elif not webbrowser.open(path.resolve().as_uri()):
        say(f"nothing on this machine opens {path}")


def _size(count: int) -> str:
    if count < 1000:
        return f"{count} B"
    return f"{count / 1e3:.0f} kB" if count < 999_500 else f"{count / 1e6:.1f} MB"
