"""The form of a report type in Python: a field for each value that its model asks for."""

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Annotated
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from pydantic import BaseModel, Field
from sqlalchemy.engine import Connection

from shared.catalog import python_report
from shared.catalog.model import Format
from shared.catalog.python_report import PythonColumn
from shared.jobs.artifacts import Artifact
from shared.jobs.succeed import Success, succeed
from tests.support.api_app import an_app
from tests.support.jobs import count, row, started


class State(StrEnum):
    OPEN = "未払"
    PAID = "支払済"


class InvoiceParameters(BaseModel):
    first: Annotated[dt.date, Field(title="From which day")]
    least: Annotated[Decimal, Field(ge=0, le=100)] = Decimal("1.50")
    most: Annotated[int, Field(ge=1)] = 10
    paid: bool | None = None
    states: list[State] = []
    customers: list[str] = []


class Invoices:
    title, description, version = "Invoices", "", "1"
    formats = (Format.CSV,)
    columns = (PythonColumn("day", "date"),)
    Parameters: type[BaseModel] = InvoiceParameters

    def rows(self, parameters: InvoiceParameters, context: object) -> Iterator[tuple[dt.date]]:
        del context
        yield (parameters.first,)


class NestedParameters(BaseModel):
    by: dict[str, int]
    days: int = 7


class Nested(Invoices):
    Parameters = NestedParameters


@pytest.fixture
def client(database_url: str, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    points = [
        EntryPoint(name, f"{__name__}:{of}", python_report.GROUP)
        for name, of in (("invoices", "Invoices"), ("nested", "Nested"))
    ]
    monkeypatch.setattr(python_report, "entry_points", lambda group: points)
    with TestClient(an_app(database_url, scratch), raise_server_exceptions=False, follow_redirects=False) as client:
        yield client


def test_each_value_has_a_field(client: TestClient, conn: Connection) -> None:
    page = client.get("/console/new/invoices").text
    for shown in (
        "From which day", 'name="p.first"', 'type="date"', 'inputmode="decimal"', 'inputmode="numeric"', "1.50",
        'type="checkbox" name="p.states" value="未払"', '<textarea id="p.customers"',
    ):  # fmt: skip
        assert shown in page
    assert 'name="p"' not in page

    made = client.post("/console/new/invoices", data={
        "key": "k-1", "format": "csv", "p.first": "2026-01-31", "p.least": "2.75", "p.paid": "true", "p.states": "未払",
        "p.customers": "A001\nB002",
    })  # fmt: skip

    assert made.status_code == 303, made.text
    job_id = UUID(made.headers["location"].removeprefix("/console/jobs/"))
    assert row(conn, job_id).parameters == {
        "first": "2026-01-31", "least": "2.75", "most": 10, "paid": True, "states": ["未払"],
        "customers": ["A001", "B002"],
    }  # fmt: skip
    again = client.get(f"/console/new/invoices?from={job_id}").text
    assert 'value="2026-01-31"' in again


def test_a_file_that_a_report_attached_is_shown_by_its_extension_and_without_rows(
    client: TestClient, conn: Connection
) -> None:
    asked = {"reportType": "invoices", "parameters": {"first": "2026-01-31"}}
    job_id = client.post("/v1/jobs", json=asked).json()["jobId"]
    lease = started(conn, UUID(job_id)).lease
    attached = Artifact("transfer.txt", "attachment", "text/plain", 111, "0" * 64, 0)
    succeed(conn, [Success(lease, [attached], 0.5)])

    page = client.get(f"/console/jobs/{job_id}").text

    assert '<span class="kind">TXT</span>' in page
    assert "111 B</span>" in page


def test_what_the_model_refuses_stands_beside_its_field(client: TestClient, conn: Connection) -> None:
    answer = client.post("/console/new/invoices", data={"key": "k-1", "p.least": "101", "p.most": "x", "format": "csv"})

    assert answer.status_code == 422
    assert count(conn, "jobs") == 0
    for name in ("first", "least", "most"):
        assert f'id="p.{name}-wrong"' in answer.text


def test_who_asks_for_more_than_single_values_sees_the_names_that_there_are(client: TestClient) -> None:
    page = client.get("/console/new/nested").text

    assert '<textarea id="p" name="p"' in page
    assert "{&#34;by&#34;:null,&#34;days&#34;:7}" in page.replace(" ", "")
    assert 'class="required"' in page
