"""`shared.plugin` is all that a report package needs, and its page in the docs agrees."""

import ast
import re
import subprocess
import sys
from pathlib import Path

from shared import plugin

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "tests" / "example_package"
PAGE = (ROOT / "docs" / "reference" / "python-reports.md").read_text(encoding="utf-8")
OURS = {"deploy", "migrations", "services", "shared", "tests"}


def imported(file: Path) -> set[str]:
    """The modules that the file imports."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def test_the_example_package_imports_the_facade_and_nothing_else_of_todoke() -> None:
    for file in EXAMPLE.glob("*.py"):
        assert {name for name in imported(file) if name.partition(".")[0] in OURS} == {"shared.plugin"}, file.name


def test_the_facade_is_imported_without_an_engine() -> None:
    code = "import sys, shared.plugin; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    modules = set(done.stdout.split())

    heavy = {"duckdb", "sqlalchemy", "psycopg", "boto3", "cryptography", "fastapi", "jinja2", "pikepdf", "reportlab",
             "typst", "isal", "prometheus_client"}  # fmt: skip
    assert modules & heavy == set()
    assert len({name for name in modules if name.startswith("shared.")}) <= 34


def test_every_name_of_the_facade_is_told() -> None:
    assert set(plugin.__all__) == {name for name in vars(plugin) if not name.startswith("_")}, (
        "what the module imports is what it promises"
    )
    assert set(plugin.__all__) - set(re.findall(r"\w+", PAGE)) == set()


def test_the_page_shows_the_example_as_it_is() -> None:
    code = (EXAMPLE / "todoke_example.py").read_text(encoding="utf-8")
    shown = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert code[code.index("from collections.abc") :] in shown
