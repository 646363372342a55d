"""Every page is checked against the code: its links, paths, commands, addresses, variables and examples."""

import argparse
import ast
import importlib
import importlib.util
import json
import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fastapi import FastAPI
from starlette.routing import Match
from typer import Exit, TyperException
from typer.main import get_command

from services.api.app import create_app
from services.api.assembly import assemble
from services.api.settings import ApiSettings
from services.relay.settings import RelaySettings
from services.worker.settings import WorkerSettings
from shared.access.scopes import Scope
from todoke.cli.app import application
from todoke.cli.help_topics import TOPICS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    {
        *ROOT.glob("*.md"),
        *(
            page
            for top in ("docs", "client", "deploy", "services", "shared", "tests")
            for page in (ROOT / top).rglob("*.md")
        ),
    }
)
MOVED = DOCS / "moves.md"
"""Tells of paths that are no more."""
_MADE = ("deploy/compose/secrets.d", "deploy/sample/catalog/late-flights", "migrations/versions/NNNN_what.py")
"""Paths that a command or the reader makes."""

_FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_PATH = re.compile(r"(?:services|shared|migrations|deploy|tests|docs)/[\w./*-]+")
_VARIABLE = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")
_OPERATION = re.compile(r"\b(GET|POST|PUT|PATCH|DELETE) (/[\w/{}.:-]+)")
_SERVED = re.compile(r"http://localhost:8000(/[^\s'\"|)]*)")
_UUID = "019acb2e-7c41-7e02-9a51-0e5b1a6c7f10"

_SETTINGS: tuple[Any, ...] = (ApiSettings, RelaySettings, WorkerSettings)
_FOREIGN = {
    # Of the platform: read by libraries, by containers, or by the tests themselves.
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "DOCKER_HOST", "BUILD_ARGS", "DRY_RUN", "CRASH_SEED", "CRASH_ONLY",
    "NO_COLOR",
    "CLICOLOR_FORCE",
}  # fmt: skip
_FOREIGN_PREFIXES = ("AWS_", "OTEL_")


class Code(NamedTuple):
    """A piece of code in a page."""

    page: str
    language: str
    """`span` within a sentence, else what stands behind the fence."""
    text: str


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _code(page: Path) -> Iterator[Code]:
    text = page.read_text(encoding="utf-8")
    for language, block in _FENCE.findall(text):
        yield Code(_name(page), language, block)
    for span in _SPAN.findall(_FENCE.sub("", text)):
        yield Code(_name(page), "span", " ".join(span.split()))


CODE = [code for page in PAGES if page != MOVED for code in _code(page)]


def _commands(text: str) -> list[str]:
    """The lines of a shell script: joined where they go on, without comments."""
    lines = text.replace("\\\n", " ").splitlines()
    return [found for line in lines if (found := re.sub(r"(^|\s)#\s.*", "", line).strip())]


COMMANDS = [
    (code.page, command)
    for code in CODE
    if code.language in {"bash", "span"}
    for command in (_commands(code.text) if code.language == "bash" else [code.text])
]


def _anchors(page: Path) -> set[str]:
    """As GitHub names them: lower case, no punctuation, hyphens for spaces, a number for a heading met again."""
    found: dict[str, int] = {}
    for heading in re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", _LINK.sub(lambda link: link[0].split("]")[0][1:], heading).lower())
        slug = plain.strip().replace(" ", "-")
        found[slug] = found.get(slug, -1) + 1
    return {slug if n == 0 else f"{slug}-{n}" for slug, most in found.items() for n in range(most + 1)}


def _links(page: Path) -> list[str]:
    plain = _SPAN.sub("", _FENCE.sub("", page.read_text(encoding="utf-8")))
    return [link for link in _LINK.findall(plain) if "://" not in link]


def _none(wrong: Iterable[object]) -> None:
    """Fail with one line for each."""
    lines = sorted({str(one) for one in wrong})
    assert not lines, "\n".join(lines)


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_link_leads_somewhere(page: Path) -> None:
    wrong = []
    for link in _links(page):
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            wrong.append(link)

    _none(wrong)


def test_the_index_names_every_page() -> None:
    listed = {(DOCS / link.partition("#")[0]).resolve() for link in _links(DOCS / "README.md")}

    _none(_name(page) for page in DOCS.rglob("*.md") if page not in listed and page != DOCS / "README.md")


def test_every_path_of_the_repository_exists() -> None:
    named = {(code.page, path.rstrip(".")) for code in CODE for path in _PATH.findall(code.text)}

    assert len(named) > 50
    _none(one for one in named if not one[1].startswith(_MADE) and not list(ROOT.glob(one[1].rstrip("/"))))


def test_every_make_target_and_variable_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    variables = set(re.findall(r"^([A-Z]+) \?=", makefile, re.MULTILINE)) | {"BUILD_ARGS"}
    called = [
        (page, words[at + 1], [word.partition("=")[0] for word in words[at + 2 :] if "=" in word])
        for page, command in COMMANDS
        if re.search(r"(^|[\s;&|])make [a-z]", command)
        for words in [shlex.split(command)]
        for at in [words.index("make")]
    ]

    assert len({target for _, target, _ in called}) > 20
    _none(one for one in called if one[1] not in targets or not set(one[2]) <= variables)


def test_every_module_that_is_run_exists() -> None:
    run = {(page, module) for page, command in COMMANDS for module in re.findall(r"python -m ([\w.]+)", command)}

    assert len(run) > 5
    _none(one for one in run if not _is_module(one[1]))


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # its package is missing
        return False


def _runs_ours(command: str) -> list[str] | None:
    """The arguments, if the command is the operator's."""
    found = re.match(r"(?:\S*python -m services\.cli|todoke-server)(?: |$)(.*)", command)
    return shlex.split(found[1]) if found else None


def _subcommands(of: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    actions: list[Any] = [a for a in of._actions if isinstance(a, argparse._SubParsersAction)]
    return {name: sub for action in actions for name, sub in action.choices.items()}


@pytest.fixture(scope="module")
def parser() -> argparse.ArgumentParser:
    found: argparse.ArgumentParser = importlib.import_module("services.cli.__main__").parser()
    return found


def test_the_command_takes_every_line_of_the_scripts(
    parser: argparse.ArgumentParser, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [arguments for code in CODE if code.language == "bash" for line in _commands(code.text)
             if (arguments := _runs_ours(line)) is not None]  # fmt: skip
    refused = []
    for arguments in lines:
        try:
            parser.parse_args(arguments)
        except SystemExit:
            refused.append((arguments, capsys.readouterr().err))

    assert len(lines) > 10
    _none(refused)


def test_the_command_has_every_subcommand_that_is_named(parser: argparse.ArgumentParser) -> None:
    named = [arguments for _, command in COMMANDS if (arguments := _runs_ours(command))]
    wrong = []
    for arguments in named:
        at: argparse.ArgumentParser | None = parser
        for word in arguments:
            if at is None or word.startswith("-") or not (below := _subcommands(at)):
                break
            at = below.get(word)
        if at is None:
            wrong.append(arguments)

    assert len(named) > 10
    _none(wrong)


def test_the_client_takes_every_line_of_the_scripts() -> None:
    whole: Any = get_command(application())
    lines = [
        shlex.split(re.split(r" [|>&]", found[1])[0])
        for code in CODE
        if code.language == "bash"
        for line in _commands(code.text)
        for found in [re.search(r"(?:^|[|&(] ?)(?:\S*/)?todoke ([^)]*)", line)]
        if found and "$(" not in found[1]
    ]
    refused = []
    for words in lines:
        group = whole
        while hasattr(group, "commands") and words and words[0] in group.commands:
            group = group.commands[words.pop(0)]
        try:
            group.make_context("todoke", ["--wait=" if word == "--wait" else word for word in words])
        except TyperException as error:
            refused.append((words, str(error)))
        except Exit:  # --help
            continue

    assert len(lines) > 30
    _none(refused)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    settings = ApiSettings.from_environment(
        {"DATABASE_URL": "postgresql://u:p@127.0.0.1:1/d", "ARTIFACT_URL": tmp_path_factory.mktemp("a").as_uri()}
    )
    return create_app(assemble(settings))


def _served(app: FastAPI, method: str, path: str) -> bool:
    scope = {"type": "http", "method": method, "path": path, "root_path": "", "headers": []}
    return any(route.matches(scope)[0] is Match.FULL for route in app.routes)


def _filled(path: str) -> str:
    """The path with something in the place of each variable of the shell or of the template."""
    path = re.sub(r"\$(?:JOB|BULK)\b|\{id\}", _UUID, path.partition("?")[0])
    return re.sub(r"\{\w+\}", "x", path)


def test_the_api_serves_every_address_that_is_named(app: FastAPI) -> None:
    named = [(page, *operation) for page, command in COMMANDS for operation in _OPERATION.findall(command)]
    for page, command in COMMANDS:
        method = "POST" if re.search(r"-X POST| -d ", command) else "GET"
        named += [(page, method, path) for path in _SERVED.findall(command)]

    assert len(named) > 30
    _none((page, method, path) for page, method, path in named if not _served(app, method, _filled(path)))


def test_the_reference_has_every_operation(app: FastAPI) -> None:
    told = set(_OPERATION.findall((DOCS / "reference" / "http.md").read_text(encoding="utf-8")))
    paths = app.openapi()["paths"]
    operations = {
        (method.upper(), re.sub(r"{\w+_id}", "{id}", path))
        for path, methods in paths.items()
        for method in methods
        if path.startswith("/v1/") or f"/v1{path}" not in paths
    }

    assert len(operations) > 7
    _none(operations - told)


def test_the_page_on_keys_has_every_scope() -> None:
    told = set(re.findall(r"`([a-z_]+:[a-z_]+)`", (ROOT / "docs/how-to/tenants-and-keys.md").read_text()))

    assert set(Scope) <= told


def test_every_variable_is_one_that_somebody_reads() -> None:
    known = {name for settings in _SETTINGS for name in settings.variables()}
    known |= {f"{name}_FILE" for name in known}
    known |= set(_VARIABLE.findall(TOPICS["environment"]()))
    known |= set(re.findall(r"\$\{(TODOKE_\w+)", (ROOT / "deploy" / "compose.yaml").read_text()))
    named = {
        (code.page, name) for code in CODE if code.language in {"span", "bash"} for name in _VARIABLE.findall(code.text)
    }

    assert len({name for _, name in named}) > 50
    _none(one for one in named if one[1] not in known | _FOREIGN and not one[1].startswith(_FOREIGN_PREFIXES))


def test_every_download_may_be_repeated() -> None:
    """With -J curl refuses to write over the file of the time before; the name in the address is the same one."""
    saving = [(page, command) for page, command in COMMANDS if re.search(r"\bcurl\b.* -\w*O", command)]

    assert len(saving) > 4
    _none(one for one in saving if re.search(r" -\w*J|--remote-header-name", one[1]))


def test_every_json_document_is_one() -> None:
    documents = [code for code in CODE if code.language == "json"]
    for code in documents:
        json.loads(code.text)

    assert documents


def test_every_piece_of_python_is_python_and_imports_what_there_is() -> None:
    signatures = "docs/reference/client.md"  # which have no bodies
    pieces = [code for code in CODE if code.language == "python" and code.page != signatures]
    trees = [(code.page, ast.parse(code.text, code.page)) for code in pieces]
    imported = [
        (page, str(node.module), alias.name)
        for page, tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] in {"todoke", "shared"}
        for alias in node.names
    ]

    assert len(pieces) > 10
    assert len(imported) > 10
    _none(one for one in imported if not hasattr(importlib.import_module(one[1]), one[2]))


def test_the_report_package_that_is_shown_is_the_one_that_is_tested() -> None:
    shown, *_ = [c.text for c in CODE if c.language == "python" and c.page == "docs/reference/python-reports.md"]
    tested = (ROOT / "tests" / "example_package" / "todoke_example.py").read_text()
    plugin = importlib.import_module("shared.plugin")
    imported = [
        alias.name
        for node in ast.walk(ast.parse(shown))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("shared")
        for alias in node.names
        if node.module == "shared.plugin"
    ]

    assert shown[shown.index("_CENT") :].strip() in tested
    assert imported
    _none(name for name in imported if not hasattr(plugin, name))


def test_the_pages_name_no_index_of_packages_and_the_readme_stays_short() -> None:
    _none(_name(page) for page in PAGES if "pypi.org" in page.read_text(encoding="utf-8").lower())
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120
