"""Who may use a report type: what the loader accepts, and what it refuses with the remedy."""

from pathlib import Path

import pytest

from services.cli.audience import audience_notes
from shared.catalog.load import CatalogError, load_catalog
from shared.catalog.model import ReportType

SCOPED = '[columns.salary]\nrequired_scope = "payroll:read"\n'


def catalog(folder: Path, toml: str = "", query: str = "SELECT 1 AS a, 2 AS salary") -> ReportType:
    one = folder / "pay"
    one.mkdir()
    (one / "report.toml").write_text(f'title = "Pay"\nformats = ["csv", "pdf"]\n{toml}')
    (one / "query.sql").write_text(query)
    return load_catalog(folder).types["pay"]


def test_tenants_scopes_and_what_they_decide(tmp_path: Path) -> None:
    report = catalog(
        tmp_path,
        'tenants = ["acme"]\nrequired_scope = "payroll:read"\n[columns.salary]\nrequired_scope = "payroll:figures"\n',
    )
    assert report.may_be_asked_by("acme", {"payroll:read"})
    assert report.may_be_asked_by("acme", None)
    assert not report.may_be_asked_by("acme", {"jobs:create"})
    assert not report.may_be_asked_by("globex", None)
    assert report.column_scopes == {"payroll:figures"}
    assert report.hidden_columns(()) == {"salary"}
    assert report.hidden_columns({"payroll:figures"}) == frozenset()


def test_the_asker_needs_no_declaration(tmp_path: Path) -> None:
    report = catalog(tmp_path, query="SELECT 1 AS a, 2 AS salary WHERE :tenant <> :requester")
    assert report.parameters == ()


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ('tenants = ["a b"]', "'a b' cannot name a tenant"),
        ("tenants = []", "must be a list of strings"),
        ('required_scope = "Payroll"', "'Payroll' cannot be a scope"),
        ('required_scope = "jobs:erase"', "is not one of Todoke's own scopes"),
        ('shared = "yes"', "must be true or false"),
        ('[columns.salary]\nrequired_scope = "x y"', "'x y' cannot be a scope"),
        ('[parameters.tenant]\ntype = "string"', "is Todoke's own"),
        ('[parameters.requester]\ntype = "string"', "is Todoke's own"),
        (
            f'{SCOPED}[pdf.tables.sums]\ntitle = "Sums"\nquery = "SELECT sum(Salary) FROM report"',
            "names the column 'salary', which asks for a scope",
        ),
        (
            f'{SCOPED}[pdf.figures]\nquery = "SELECT max(\\"salary\\") FROM report"',
            "names the column 'salary', which asks for a scope",
        ),
    ],
    ids=lambda value: value.replace("\n", " ")[:40],
)
def test_what_cannot_be_is_refused_with_the_remedy(toml: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(CatalogError) as refused:
        catalog(
            tmp_path,
            toml,
            "SELECT 1 AS a, 2 AS salary WHERE :tenant = :requester"
            if "parameters" in toml
            else "SELECT 1 AS a, 2 AS salary",
        )
    assert told in str(refused.value)
    assert "report.toml:" in str(refused.value)


def test_check_asks_whose_rows_a_report_gives_once_the_catalog_knows_tenants(tmp_path: Path) -> None:
    def of(name: str, query: str, more: str = "") -> ReportType:
        (tmp_path / name).mkdir()
        return catalog(tmp_path / name, more, query)

    every, own = of("a", "SELECT 1 AS a, 2 AS salary"), of("b", "SELECT 1 AS a WHERE :tenant = 'x'")
    common = of("c", "SELECT 1 AS a", "shared = true\n")
    assert list(audience_notes({"every": every}, [every])) == []
    [note] = audience_notes({"every": every, "own": own, "common": common}, [every, own, common])
    assert note.startswith("pay: every tenant gets the same rows: filter by :tenant")
