"""The table that the benchmark of small reports reads: 185 rows, as in the sample's `carrier-delays`."""

import dataclasses
from pathlib import Path

import psycopg
from sqlalchemy.engine import Connection

from shared.catalog.grouping import NO_GROUPING
from shared.catalog.load import load_catalog
from shared.catalog.model import Catalog, PdfOptions
from shared.jobs.submit import submit as submit_jobs
from tests.support.jobs import a_submission
from tests.support.sqs.fast_process import ROOT

NAME = "carrier-delays"
_SAMPLE = ROOT / "deploy" / "sample" / "catalog"
_CREATE = """
    CREATE TABLE delays AS
    SELECT (ARRAY['9E','AA','AS','B6','DL','EV','F9','FL','HA','MQ','OO','UA','US','VX','WN','YV'])[c] AS carrier,
           (ARRAY['Endeavor Air Inc.','American Airlines Inc.','Alaska Airlines Inc.','JetBlue Airways',
                  'Delta Air Lines Inc.','ExpressJet Airlines Inc.','Frontier Airlines Inc.',
                  'AirTran Airways Corporation','Hawaiian Airlines Inc.','Envoy Air','SkyWest Airlines Inc.',
                  'United Air Lines Inc.','US Airways Inc.','Virgin America','Southwest Airlines Co.',
                  'Mesa Airlines Inc.'])[c] AS airline,
           make_date(2013, m, 1) AS month, (700 + c * 131 + m * 17)::bigint AS flights,
           round((5 + c * 0.7 + 4 * sin(m))::numeric, 1) AS mean_delay_min,
           round((60 + c * 2.3 + 9 * cos(m))::numeric, 1) AS p95_delay_min,
           ((700 + c * 131) * (5 + c * 0.7))::float8 AS delay_total_min, (c * m % 41)::bigint AS cancelled,
           (c * m % 41)::numeric / (700 + c * 131 + m * 17) AS cancelled_share
      FROM generate_series(1, 16) AS c, generate_series(1, 12) AS m
     ORDER BY c, m LIMIT 185
"""
PARAMETERS = {"from": "2013-01-01", "to": "2013-12-31", "origin": None, "locale": "en"}
_PLAIN = "plain-"
QUERY = "SELECT * FROM delays ORDER BY carrier, month"
_ASKED = """SELECT * FROM delays WHERE month BETWEEN :from AND :to AND (:origin IS NULL OR carrier = :origin)
             ORDER BY carrier, month"""


def create(dsn: str) -> None:
    """Make the table."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(_CREATE)
        conn.execute("VACUUM ANALYZE delays")


def catalog(*, plain: bool) -> Catalog:
    """The sample's report type over the table, with its figures, charts, table and groups, or `plain`: rows alone."""
    report = load_catalog(_SAMPLE).types[NAME]
    if plain:
        report = dataclasses.replace(report, pdf=PdfOptions(), grouping=NO_GROUPING)
    return Catalog({NAME: dataclasses.replace(report, query=_ASKED)}, NAME)


def is_plain(format_: str) -> bool:
    """Whether `plain-html` or the like is meant: rows alone, as what a user would write has."""
    return format_.startswith(_PLAIN)


def format_of(format_: str) -> str:
    """The format itself."""
    return format_.removeprefix(_PLAIN)


def submit(conn: Connection, format_: str, jobs: int) -> None:
    """Jobs for one file of the report type each."""
    for _ in range(jobs):
        submit_jobs(conn, [a_submission(report_type=NAME, parameters=PARAMETERS, formats=[format_of(format_)])])


def folder() -> Path:
    """Where the report type's files lie."""
    return _SAMPLE / NAME
