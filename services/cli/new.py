"""`todoke-server new`: create the folder of a working report type, with explanatory comments."""

import argparse
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from string import Template

from services.cli import templates
from services.cli.catalogs import chosen_catalog
from services.cli.errors import WrongCall
from shared.catalog.model import Format
from shared.catalog.names import name_problem, near_name
from shared.errors import TodokeError
from shared.suggest import did_you_mean

_NOT_SHOWN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_USUAL = (Format.XLSX, Format.CSV)


class NotMade(TodokeError):
    """The folder exists already, or cannot be created."""


def run(given: argparse.Namespace) -> int:
    """Create the folder, completely or not at all, and print its path. Raises WrongCall, NotMade."""
    if wrong := name_problem(given.type):
        near = near_name(given.type)
        raise WrongCall(f"{given.type!r} {wrong}{f'; did you mean {near!r}?' if near else ''}")
    if bad := _NOT_SHOWN.search(given.title or ""):
        raise WrongCall(f"--title has {bad[0]!a}, which cannot be shown: leave it out")
    words = {
        "name": given.type,
        "title": json.dumps(given.title or given.type.replace("-", " ").capitalize(), ensure_ascii=False),
        "formats": ", ".join(f'"{one}"' for one in _formats(given.format)),
    }
    if given.python and given.several:
        raise WrongCall("--several is for a folder of queries: leave it out with --python")
    if given.python:
        parent, files = given.catalog or Path(), _package(given, words)
    else:
        parent, files = chosen_catalog(given.catalog), _folder(given, words)
    folder = parent / given.type
    _make(folder, files)
    print(folder)
    _tell_next(given, folder)
    return 0


def _formats(given: list[str]) -> list[str]:
    known = [str(one) for one in Format]
    for one in given:
        if one not in known:
            raise WrongCall(f"--format {one}: there is no such format{did_you_mean(one, known)}")
    return list(dict.fromkeys(given)) or [str(one) for one in _USUAL]


def _folder(given: argparse.Namespace, words: Mapping[str, str]) -> Mapping[str, str]:
    source = "" if given.source == "default" else f"source = {json.dumps(given.source)}\n"
    toml = Template(templates.REPORT).substitute(words, source=source)
    if Format.PDF in _formats(given.format):
        toml += templates.REPORT_PDF
    files = {"report.toml": toml, "query.sql": Template(templates.QUERY).substitute(words)}
    if given.several:
        files["report.toml"] += templates.REPORT_SEVERAL
        files["queries/by_weekday.sql"] = templates.QUERY_BY_WEEKDAY
    return files


def _package(given: argparse.Namespace, words: Mapping[str, str]) -> Mapping[str, str]:
    module = given.type.replace("-", "_") + "_report"
    formats = ", ".join(f"Format.{one.upper()}" for one in _formats(given.format))
    class_ = "".join(part.capitalize() for part in given.type.split("-"))
    more = {"module": module, "class_": class_, "members": formats + ("," if "," not in formats else "")}
    return {
        "pyproject.toml": Template(templates.PACKAGE).substitute(words, **more),
        f"{module}.py": Template(templates.MODULE).substitute(words, **more),
    }


def _make(folder: Path, files: Mapping[str, str]) -> None:
    """Write the files into a hidden folder, which is renamed last, because a service may be following the catalog."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
    except OSError as error:
        raise NotMade(f"{folder} cannot be made: {error.strerror}") from None
    try:
        made.chmod(0o755)
        for name, text in files.items():
            (made / name).parent.mkdir(exist_ok=True)
            (made / name).write_text(text, encoding="utf-8")
        # Renaming would replace an empty folder. Creating it here detects an existing one, whatever it contains.
        folder.mkdir()
        made.rename(folder)
    except FileExistsError:
        raise NotMade(f"{folder} exists already: choose another name, or remove it") from None
    except OSError as error:
        raise NotMade(f"{folder} cannot be made: {error.strerror}") from None
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _tell_next(given: argparse.Namespace, folder: Path) -> None:
    if given.python:
        lines = [f"pip install --editable {folder}", f"todoke-server render {given.type} --open --watch"]
    else:
        catalog = f" --catalog {folder.parent}" if given.catalog else ""
        lines = [f"todoke-server render {given.type}{catalog} --open --watch", f"todoke-server check {folder.parent}"]
    print("Next:", *(f"  {line}" for line in lines), sep="\n", file=sys.stderr)
