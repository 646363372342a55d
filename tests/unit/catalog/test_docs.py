"""The tutorial's report type is loaded and the catalog's page is compared with the code, so neither can become
outdated.
"""

import re
from pathlib import Path

import pytest

from shared.catalog import further, locales, parameter_file, presentation, report_file, theme, type_options
from shared.catalog.load import CatalogError, load_catalog
from shared.catalog.model import Format, Limits
from shared.catalog.parameter import ParameterKind
from tests.unit.catalog.builders import GUIDE, TUTORIAL, docs_example, write_report


def test_the_example_is_a_catalog(tmp_path: Path) -> None:
    toml, query = docs_example()
    write_report(tmp_path, toml, query, name="late-flights")
    report = load_catalog(tmp_path).types["late-flights"]
    assert [p.name for p in report.parameters] == ["from", "late_min", "carriers"]
    assert report.limits.max_rows == 100_000


def test_the_mistakes_shown_are_those_that_the_loader_tells(tmp_path: Path) -> None:
    toml, query = docs_example()
    wrong_toml = toml.replace("default = 2013", "defualt = 2013", 1)
    wrong_query = query.replace(":late_min", ":late")
    write_report(tmp_path, wrong_toml, wrong_query, name="late-flights")
    with pytest.raises(CatalogError) as refused:
        load_catalog(tmp_path)
    told = [problem.replace(f"{tmp_path}/", "deploy/sample/catalog/") for problem in refused.value.problems]
    [shown] = re.findall(r"```\n(deploy/sample/catalog/late-flights/report.toml:.*?)```", TUTORIAL, re.DOTALL)
    assert told == shown.splitlines()


def test_every_setting_and_every_type_has_its_line() -> None:
    documented = set(re.findall(r"^\| (`[^|]*`) \|", GUIDE, re.MULTILINE))
    names = {name for cell in documented for name in re.findall(r"`(\w+)`", cell)}
    tables = {"parameters", "columns", "limits", "csv", "pdf", "locales", "options", "groups", "totals", "queries"}
    assert names == {
        *(set(report_file._KEYS) - tables),
        *parameter_file.PARAMETER_KEYS,
        *parameter_file.ALL_CONSTRAINTS,
        *parameter_file.CHOICES_KEYS,
        *presentation.COLUMN_KEYS,
        *report_file._LIMIT_KEYS,
        *presentation.CSV_KEYS,
        *presentation.PDF_KEYS,
        *presentation.CHART_KEYS,
        *further.QUERY_KEYS,
        *further.PIVOT_KEYS,
        *locales.LOCALE_KEYS,
        *type_options.OPTION_KEYS,
        *theme.KEYS,
        *map(str, ParameterKind),
    }
    assert all(f'"{one}"' in GUIDE for one in Format)


def test_the_limits_told_are_the_limits_used() -> None:
    usual = Limits()
    for name in report_file._LIMIT_KEYS:
        [told] = re.findall(rf"^\| `{name}` \|.*\| (\d+) \|$", GUIDE, re.MULTILINE)
        assert int(told) == getattr(usual, name)
