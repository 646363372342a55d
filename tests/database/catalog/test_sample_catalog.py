"""The sample's data and reports compared with published facts about flights from New York City in 2013.

Facts: reference pages of the R package nycflights13 (read 2026-11-23), which this data set was made from.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

import deploy.sample
from deploy.sample import load as sample
from deploy.sample.load import EXPECTED_ROWS, READER, SampleDataMissing, SampleSchemaTaken, load
from shared.catalog.asker import NOBODY
from shared.catalog.load import BUILTIN, load_catalog
from shared.catalog.model import ReportType
from shared.catalog.parameters import InvalidParameters, validate_parameters
from shared.catalog.query import bound_query
from tests.database.catalog.conftest import READER_PASSWORD
from tests.unit.catalog.builders import docs_example, write_report

Row = Mapping[str, Any]
Run = Callable[..., Sequence[Row]]

CATALOG = load_catalog(Path(deploy.sample.__file__).parent / "catalog")
ALL_REPORTS = [*CATALOG.types.values(), *load_catalog(BUILTIN).types.values()]

DESTINATIONS_WITHOUT_AIRPORT = {"BQN", "PSE", "SJU", "STT"}


@pytest.fixture(scope="module")
def reader(sample_url: str) -> Iterator[psycopg.Connection[Row]]:
    """A session of the read-only role, as the worker has it."""
    url = make_conninfo(sample_url, user=READER, password=READER_PASSWORD)
    with psycopg.connect(url, row_factory=dict_row, autocommit=True) as conn:
        yield conn


@pytest.fixture
def run(reader: psycopg.Connection[Row]) -> Run:
    """Run a sample report by name."""

    def rows(name: str, **parameters: object) -> Sequence[Row]:
        report = CATALOG.types[name]
        given = {"from" if key == "since" else key: value for key, value in parameters.items()}
        return reader.execute(bound_query(report, validate_parameters(report, given), NOBODY)).fetchall()

    return rows


def test_the_data_is_what_was_published(sample_url: str) -> None:
    with psycopg.connect(sample_url) as conn:
        for table, rows in EXPECTED_ROWS.items():
            assert conn.execute(f"SELECT count(*) FROM sample.{table}").fetchone() == (rows,)
        [facts] = conn.execute(
            """SELECT count(*) FILTER (WHERE dep_time IS NULL), count(DISTINCT carrier), count(DISTINCT dest),
                      count(*) FILTER (WHERE carrier = 'UA'), count(*) FILTER (WHERE tailnum IS NULL),
                      count(*) FILTER (WHERE origin = 'EWR'), count(*) FILTER (WHERE origin = 'JFK'),
                      count(*) FILTER (WHERE origin = 'LGA'), min(flight_date), max(flight_date)
                 FROM sample.flights"""
        ).fetchall()
        assert facts == (8_255, 16, 105, 58_665, 2_512, 120_835, 111_279, 104_662, date(2013, 1, 1), date(2013, 12, 31))
        # The hour is an instant: local time in New York, summer time included.
        [(wrong,)] = conn.execute(
            """SELECT count(*) FROM sample.flights
                WHERE time_hour AT TIME ZONE 'America/New_York' <> flight_date + make_interval(hours => hour)"""
        ).fetchall()
        assert wrong == 0


def test_the_export_of_the_year_has_every_flight_once(run: Run) -> None:
    rows = run("flights-export")
    assert len(rows) == 336_776
    assert len({(r["flight_date"], r["scheduled_departure"], r["carrier"], r["flight"]) for r in rows}) == 336_776
    assert {r["destination"] for r in rows if r["destination_name"] is None} == DESTINATIONS_WITHOUT_AIRPORT
    assert all(r["airline"] for r in rows)
    assert sum(r["cancelled"] for r in rows) == 8_255
    # The first line of flights.csv.
    assert rows[0] == {
        "flight_date": date(2013, 1, 1),
        "carrier": "UA",
        "airline": "United Air Lines Inc.",
        "flight": 1545,
        "tail_number": "N14228",
        "origin": "EWR",
        "destination": "IAH",
        "destination_name": "George Bush Intercontinental",
        "scheduled_departure": 515,
        "departure": 517,
        "departure_delay_min": 2,
        "scheduled_arrival": 819,
        "arrival": 830,
        "arrival_delay_min": 11,
        "air_time_min": 227,
        "distance_mi": 1400,
        "cancelled": False,
        "scheduled_hour_utc": datetime(2013, 1, 1, 10, tzinfo=UTC),
    }


def test_the_export_keeps_to_its_filters(run: Run) -> None:
    january = run("flights-export", since="2013-01-01", to="2013-01-31")
    assert len(january) == 27_004
    new_year = run("flights-export", since="2013-01-01", to="2013-01-01")
    assert len(new_year) == 842
    some = run("flights-export", since="2013-01-01", to="2013-01-01", origin="JFK", carriers=["UA", "B6"])
    assert {(r["origin"], r["carrier"]) for r in some} == {("JFK", "UA"), ("JFK", "B6")}
    assert len(some) == sum(r["origin"] == "JFK" and r["carrier"] in {"UA", "B6"} for r in new_year)
    assert run("flights-export", since="2013-01-02", to="2013-01-01") == []


def test_delays_by_carrier_and_month_add_up_to_the_year(run: Run) -> None:
    rows = run("carrier-delays")
    assert sum(r["flights"] for r in rows) == 336_776
    assert sum(r["cancelled"] for r in rows) == 8_255
    assert sum(r["flights"] for r in rows if r["carrier"] == "UA") == 58_665
    assert len({r["carrier"] for r in rows}) == 16
    assert [(r["carrier"], r["month"]) for r in rows] == sorted((r["carrier"], r["month"]) for r in rows)
    assert sum(r["flights"] for r in run("carrier-delays", origin="EWR")) == 120_835


def test_delays_are_those_of_an_independent_calculation(run: Run) -> None:
    delays = sorted(
        r["departure_delay_min"]
        for r in run("flights-export", since="2013-01-01", to="2013-01-31", carriers=["HA"])
        if r["departure_delay_min"] is not None
    )
    at = Decimal("0.95") * (len(delays) - 1)
    below, above = delays[int(at)], delays[int(at) + 1]
    [row] = [r for r in run("carrier-delays", since="2013-01-01", to="2013-01-31") if r["carrier"] == "HA"]
    assert (row["airline"], row["month"], row["flights"]) == ("Hawaiian Airlines Inc.", date(2013, 1, 1), 31)
    assert row["mean_delay_min"] == round(Decimal(sum(delays)) / len(delays), 1)
    assert row["p95_delay_min"] == round(below + (above - below) * (at % 1), 1)


def test_traffic_by_route_covers_every_flight(run: Run) -> None:
    rows = run("airport-traffic")
    assert sum(r["flights"] for r in rows) == 336_776
    assert sum(r["cancelled"] for r in rows) == 8_255
    assert len({r["destination"] for r in rows}) == 105
    assert {r["destination"] for r in rows if r["destination_name"] is None} == DESTINATIONS_WITHOUT_AIRPORT
    by_origin = {origin: sum(r["flights"] for r in rows if r["origin"] == origin) for origin in ("EWR", "JFK", "LGA")}
    assert by_origin == {"EWR": 120_835, "JFK": 111_279, "LGA": 104_662}
    [atlanta] = [r for r in rows if (r["origin"], r["destination"]) == ("LGA", "ATL")]
    assert (atlanta["flights"], atlanta["distance_mi"]) == (10_263, 762)
    # Of one route the only flight was cancelled: it has no share, rather than a division by zero.
    never = [r for r in rows if r["flights"] == r["cancelled"]]
    assert [(r["origin"], r["destination"], r["late_share"]) for r in never] == [("EWR", "LGA", None)]
    assert all(r["flights"] >= 1000 for r in run("airport-traffic", min_flights=1000))


@pytest.mark.parametrize("report", ALL_REPORTS, ids=lambda report: report.name)
def test_every_column_described_is_a_column_of_the_query_and_the_other_way_round(
    reader: psycopg.Connection[Row], report: ReportType
) -> None:
    cursor = reader.execute(bound_query(report, validate_parameters(report, {}), NOBODY))
    assert [column.name for column in cursor.description or ()] == list(report.columns)
    assert cursor.rowcount > 0


@pytest.mark.parametrize("report", ALL_REPORTS, ids=lambda report: report.name)
def test_two_runs_give_the_same_rows_in_the_same_order(reader: psycopg.Connection[Row], report: ReportType) -> None:
    query = bound_query(report, validate_parameters(report, {}), NOBODY)
    first = reader.execute(query).fetchall()
    try:
        # Another plan: without a total order the rows would come differently.
        reader.execute("SET enable_indexscan = off; SET enable_hashjoin = off; SET enable_hashagg = off")
        assert reader.execute(query).fetchall() == first
    finally:
        reader.execute("RESET ALL")


def test_the_example_of_the_guide_runs(tmp_path: Path, reader: psycopg.Connection[Row]) -> None:
    write_report(tmp_path, *docs_example(), name="late-flights")
    report = load_catalog(tmp_path).types["late-flights"]
    stored = validate_parameters(report, {"late_min": 120, "carriers": ["UA", "B6"]})
    rows = reader.execute(bound_query(report, stored, NOBODY)).fetchall()
    assert {r["carrier"] for r in rows} == {"UA", "B6"}
    assert min(r["dep_delay"] for r in rows) == 120
    assert set(report.columns) <= set(rows[0])


def test_the_default_report_and_the_bounds_of_the_year() -> None:
    assert CATALOG.default == "carrier-delays"
    with pytest.raises(InvalidParameters) as refused:
        validate_parameters(CATALOG.types["flights-export"], {"from": "2012-12-31", "carriers": ["ua", "UA"]})
    assert [v.field for v in refused.value.violations] == ["parameters.from", "parameters.carriers[0]"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE sample.airlines SET name = ''",
        "CREATE TABLE sample.mine (a int)",
        "CREATE TABLE public.mine (a int)",
        "SELECT * FROM private.secrets",
        "COPY sample.airlines TO PROGRAM 'cat'",
    ],
)
def test_the_reader_reads_the_sample_and_nothing_else(
    sample_url: str, reader: psycopg.Connection[Row], statement: str
) -> None:
    with psycopg.connect(sample_url) as owner:
        owner.execute("CREATE SCHEMA IF NOT EXISTS private; CREATE TABLE IF NOT EXISTS private.secrets (a int)")
    # Its read-only default is a courtesy that it could switch off; the missing privileges are the wall.
    for setting in ("on", "off"):
        reader.execute(f"SET default_transaction_read_only = {setting}")
        with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)):
            reader.execute(statement)
    reader.execute("RESET ALL")
    assert reader.execute("SHOW default_transaction_read_only").fetchone() == {"default_transaction_read_only": "on"}
    assert reader.execute("SHOW statement_timeout").fetchone() == {"statement_timeout": "15min"}


def test_loading_twice_changes_nothing(sample_url: str) -> None:
    told: list[str] = []
    with psycopg.connect(sample_url) as conn:
        before = conn.execute("SELECT xmin, ctid FROM sample.airlines").fetchall()
        assert load(sample_url, on_table=lambda table, _: told.append(table)) == EXPECTED_ROWS
        assert conn.execute("SELECT xmin, ctid FROM sample.airlines").fetchall() == before
    assert told == []


def test_a_load_that_breaks_off_leaves_nothing(empty_url: str) -> None:
    def cut(table: str, rows: int) -> None:
        if table == "planes":
            raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        load(empty_url, on_table=cut)
    with psycopg.connect(empty_url) as conn:
        assert conn.execute("SELECT to_regnamespace('sample')").fetchone() == (None,)


@pytest.mark.parametrize("tables", [["airlines"], list(EXPECTED_ROWS)], ids=["one table", "all tables"])
def test_a_schema_called_sample_that_is_not_ours_is_left_alone(empty_url: str, tables: list[str]) -> None:
    with psycopg.connect(empty_url) as conn:
        conn.execute("CREATE SCHEMA sample")
        for table in tables:
            conn.execute(f"CREATE TABLE sample.{table} AS SELECT 1 AS mine")
    with pytest.raises(SampleSchemaTaken, match="DROP SCHEMA sample CASCADE"):
        load(empty_url)
    with psycopg.connect(empty_url) as conn:
        assert conn.execute("SELECT mine FROM sample.airlines").fetchall() == [(1,)]


def test_another_data_set_of_the_same_name_is_refused(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sample.EXPECTED_ROWS, "airlines", 17)
    with pytest.raises(SampleDataMissing, match="16 rows, not 17"):
        load(empty_url)


def test_a_share_is_rounded_once_where_it_is_shown(run: Run) -> None:
    rows = run("carrier-delays", since="2013-01-01", to="2013-01-01", origin="LGA")
    [american] = [row for row in rows if row["carrier"] == "AA"]

    assert (american["cancelled"], american["flights"]) == (2, 44)
    assert f"{american['cancelled_share']:.1%}" == "4.5%", "as the summary, which counts anew, has it"


@pytest.mark.parametrize("report", CATALOG.types.values(), ids=lambda report: report.name)
def test_no_sample_rounds_to_other_digits_than_it_shows(report: ReportType) -> None:
    for digits, name in re.findall(r"round\(.*, (\d+)\)\s+AS (\w+)", report.query):
        shown = report.columns[name].number_format
        decimals = len(shown.rpartition(".")[2].rstrip("%")) if "." in shown else 0
        assert int(digits) == decimals + 2 * shown.endswith("%"), f"{name} is rounded twice"
