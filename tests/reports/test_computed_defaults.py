"""Defaults from the source: a value that the request left out is found when the report runs, or the
error says why not.
"""

import json
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from shared.catalog.asker import Asker
from shared.catalog.load import CatalogError, load_catalog
from shared.catalog.model import Format, ReportType
from shared.catalog.parameter import Parameter, ParameterKind
from shared.catalog.schema import json_schema
from shared.reports.interface import RenderedFile, RenderRequest, ReportError
from shared.reports.render import render_files
from tests.reports.conftest import MakeRequest, Run

_TOML = """
title = "Sales"
formats = ["csv"]
[parameters.shop]
type = "string"
[parameters.shop.default]
query = "SELECT shop FROM (VALUES ('b', 2), ('a', 1)) AS shops(shop, n) ORDER BY n;"
[parameters.day]
type = "date"
title = "Day"
[parameters.day.default]
query = "SELECT DATE '2026-01-01' + length(:shop) -- the latest"
"""
_QUERY = "SELECT :shop AS shop, :day AS day"


def loaded(folder: Path, toml: str, query: str = _QUERY) -> ReportType:
    own = folder / "catalog" / "sales"
    own.mkdir(parents=True)
    (own / "report.toml").write_text(toml)
    (own / "query.sql").write_text(query)
    return load_catalog(folder / "catalog").types["sales"]


def only(*, kind: ParameterKind, query: str) -> tuple[Parameter, ...]:
    return (Parameter("p", kind, "P", default_query=query),)


def asked(a_request: MakeRequest, kind: ParameterKind, query: str, **given: object) -> RenderRequest:
    request = a_request("SELECT :p AS p", Format.CSV)
    report = replace(request.report, parameters=only(kind=kind, query=query))
    return replace(request, report=report, parameters={"p": None, **given})


def rows(files: tuple[RenderedFile, ...]) -> list[str]:
    return files[0].path.read_text().splitlines()[1:]


def test_what_was_left_out_is_taken_from_the_data(a_request: MakeRequest, run: Run, tmp_path: Path) -> None:
    """In a real child, by the file's own settings; the second default sees the first."""
    base = a_request("SELECT 1")
    request = replace(base, report=loaded(tmp_path, _TOML), parameters={"shop": None, "day": None})

    assert rows(run(request)) == ["a,2026-01-02"]
    told = json.loads((request.scratch / "manifest.json").read_text())["manifest"]["parameters"]
    assert told == {"shop": "a", "day": "2026-01-02"}


@pytest.mark.parametrize(
    ("kind", "query", "shown"),
    [
        (ParameterKind.DECIMAL, "SELECT 12.50::numeric", "12.50"),
        (ParameterKind.INTEGER, "SELECT 9007199254740993::bigint, 'more'", "9007199254740993"),
        (ParameterKind.BOOLEAN, "SELECT true", "t"),
        (ParameterKind.DATETIME, "SELECT TIMESTAMPTZ '2026-01-31 09:00+09'", "2026-01-31 00:00:00+00"),
        (ParameterKind.STRING, "SELECT :tenant || ' ' || :requester", "acme ann"),
        (ParameterKind.DATE, "SELECT max(day) FROM (SELECT DATE '2026-01-01' WHERE false) AS none(day)", ""),
        (ParameterKind.DATE, "SELECT DATE '2026-01-01' WHERE false", ""),
    ],
)
def test_the_value_is_one_of_the_parameters_own_kind(
    kind: ParameterKind, query: str, shown: str, a_request: MakeRequest
) -> None:
    request = replace(asked(a_request, kind, query), asker=Asker("acme", "ann"))

    assert rows(render_files(request, lambda _: None)) == [shown]


def test_what_is_given_is_not_asked_for(a_request: MakeRequest) -> None:
    request = asked(a_request, ParameterKind.STRING, "SELECT 1 / 0", p="given")

    assert rows(render_files(request, lambda _: None)) == ["given"]


@pytest.mark.parametrize(
    ("query", "dsn", "code", "said"),
    [
        ("SELECT * FROM no_such_table", None, "source_query_failed", "'p' cannot be had.*no_such_table.*42P01"),
        ("SELECT 'text'", None, "source_query_failed", "'p' cannot be had: what it gives"),
        ("SELECT 1", "file:///nowhere", "source_query_failed", "only a PostgreSQL source"),
    ],
)
def test_a_default_that_cannot_be_had_is_told_by_name(
    query: str, dsn: str | None, code: str, said: str, a_request: MakeRequest
) -> None:
    request = asked(a_request, ParameterKind.INTEGER, query)
    request = request if dsn is None else replace(request, source_dsn=dsn)

    with pytest.raises(ReportError, match=said) as failure:
        render_files(request, lambda _: None)
    assert (failure.value.code, "default" in failure.value.hint) == (code, True)


def test_a_default_that_takes_too_long_ends_the_report(a_request: MakeRequest) -> None:
    request = asked(a_request, ParameterKind.INTEGER, "SELECT 1 FROM pg_sleep(60)")
    report = replace(request.report, limits=replace(request.report.limits, timeout_s=0.1))

    with pytest.raises(ReportError, match="default of 'p'") as failure:
        render_files(replace(request, report=report), lambda _: None)
    assert failure.value.code == "source_timeout"


def test_a_source_that_is_away_is_tried_again(a_request: MakeRequest) -> None:
    request = replace(asked(a_request, ParameterKind.INTEGER, "SELECT 1"), source_dsn="postgresql://u:p@127.0.0.1:1/d")

    with pytest.raises(psycopg.OperationalError):
        render_files(request, lambda _: None)


def test_the_schema_says_that_the_data_give_it(tmp_path: Path) -> None:
    schema: dict[str, dict[str, object]] = json_schema(loaded(tmp_path, _TOML))["properties"]  # type: ignore[assignment]

    assert schema["day"]["x-default"] == {"dependsOn": ["shop"]}
    assert "default" not in schema["day"]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ('query = "SELECT :day"', "uses :day, whose default it gives"),
        ('query = "SELECT :shp"', ":shp is not declared.*shop"),
        ('query = "DELETE FROM x"', "report.toml"),
        ('query = "SELECT 1"\nstrict = true', "strict"),
    ],
)
def test_a_query_that_cannot_be_one_is_refused_when_the_catalog_is_read(
    tmp_path: Path, setting: str, said: str
) -> None:
    toml = _TOML[: _TOML.rindex("query = ")] + setting + "\n"

    with pytest.raises(CatalogError, match=said):
        loaded(tmp_path, toml)


def test_a_list_has_no_such_default(tmp_path: Path) -> None:
    toml = _TOML.replace('type = "date"', 'type = "list"\nitems = "date"')

    with pytest.raises(CatalogError, match="a list has several"):
        loaded(tmp_path, toml)
