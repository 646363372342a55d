"""What import-linter cannot check of external packages: where which of SQLAlchemy's names may be used."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]

SQL = (
    "shared/database/", "shared/jobs/", "shared/outbox/", "shared/access/", "shared/schedules/", "shared/webhooks/",
    "migrations/",
)  # fmt: skip
"""Statements and tables stand here."""
PASSED_ON = {"Connection", "Engine", "AsyncConnection", "AsyncEngine"}
"""Everybody may hold one that was given, and say so."""
HAPPENING = {"event"}
"""The relay forgets its floor when a connection is new."""


def imported(file: Path) -> Iterator[tuple[str, str]]:
    """Module and name of each import from SQLAlchemy; the name is empty for a whole module."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "sqlalchemy":
            yield from ((node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name.split(".")[0] == "sqlalchemy")


def modules() -> Iterator[tuple[str, Path]]:
    """Path from the root, and file, of each module that is not a test."""
    for package in ("services", "shared", "migrations", "deploy"):
        for file in sorted((ROOT / package).rglob("*.py")):
            yield str(file.relative_to(ROOT)), file


def test_only_sql_modules_know_more_of_sqlalchemy_than_what_they_are_given() -> None:
    wrong = [
        f"{path}: {module} {name}".rstrip()
        for path, file in modules()
        if not path.startswith(SQL)
        for module, name in imported(file)
        if module != "sqlalchemy.exc" and name not in PASSED_ON | HAPPENING
    ]

    assert wrong == []


def test_only_the_database_package_makes_engines() -> None:
    """By SQLAlchemy's `create_engine`; ours, of `shared.database.engine`, is everybody's."""
    maker = re.compile(r"\.create_(async_)?engine\(")
    makers = {
        path
        for path, file in modules()
        if maker.search(file.read_text()) or {"create_engine", "create_async_engine"} & {n for _, n in imported(file)}
    }

    assert makers == {"shared/database/engine.py", "shared/database/async_engine.py"}


def test_the_client_knows_nothing_of_the_server_and_the_server_nothing_of_the_client() -> None:
    def tops(file: Path) -> set[str]:
        nodes = list(ast.walk(ast.parse(file.read_text())))
        named = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
        named |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        return {name.partition(".")[0] for name in named}

    client = sorted((ROOT / "client" / "todoke").rglob("*.py"))
    # `make run` asks as a user would, and two pages of the documentation are made from the client.
    users = ("deploy/local/", "deploy/tools/client_page.py", "deploy/tools/command_line_page.py")
    server = [file for path, file in modules() if not path.startswith(users)]

    assert len(client) > 20
    assert [file for file in client if tops(file) & {"services", "shared", "migrations", "deploy", "tests"}] == []
    assert [file for file in server if "todoke" in tops(file)] == []
