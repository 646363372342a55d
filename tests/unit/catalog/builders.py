"""Report types and catalog folders for tests, as small as each test needs."""

import re
from pathlib import Path

from shared.catalog.model import Format, ReportType
from shared.catalog.parameter import Parameter, ParameterKind

_DOCS = Path(__file__).parents[3] / "docs"
GUIDE = (_DOCS / "reference" / "catalog.md").read_text(encoding="utf-8")
TUTORIAL = (_DOCS / "tutorial" / "own-report-type.md").read_text(encoding="utf-8")


def a_parameter(kind: ParameterKind = ParameterKind.STRING, name: str = "p", **fields: object) -> Parameter:
    """A parameter of this kind; `fields` are those of Parameter."""
    return Parameter(name=name, kind=kind, title=name.capitalize(), **fields)  # type: ignore[arg-type] # tests choose


def a_report(*parameters: Parameter, query: str = "SELECT 1") -> ReportType:
    """A report type with these parameters."""
    return ReportType(
        name="a-report",
        title="A report",
        description="",
        version="1",
        source="default",
        query=query,
        formats=(Format.CSV,),
        parameters=parameters,
    )


def write_report(catalog: Path, toml: str, query: str = "SELECT 1", *, name: str = "a-report") -> Path:
    """A folder in `catalog` with these two files."""
    folder = catalog / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.toml").write_text(toml, encoding="utf-8")
    (folder / "query.sql").write_text(query, encoding="utf-8")
    return folder


def docs_example() -> tuple[str, str]:
    """report.toml and query.sql as docs/tutorial/own-report-type.md shows them."""
    [toml] = re.findall(r"```toml\n(.*?)```", TUTORIAL, re.DOTALL)
    [query] = re.findall(r"```sql\n(.*?)```", TUTORIAL, re.DOTALL)
    return toml, query
