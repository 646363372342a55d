"""A worker stores previews under the fence of the files, and trusts none of their content."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

from services.worker.previews import previews_in
from shared.reports import first_rows
from shared.reports.formats.pdf import first_page
from shared.reports.interface import RenderRequest
from tests.services.test_worker import Bench
from tests.support.promises import broken, broken_files

ROWS = b'{"columns":[{"name":"n","title":"N","type":"integer"}],"rows":1,"of":1}\n[1]\n'
PNG = b"\x89PNG\r\n\x1a\n and so on"


@pytest.fixture
def bench(engine: Engine, conn: Connection, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(engine, conn, tmp_path)
    yield bench
    bench.stop()
    assert broken(conn, at_rest=False) == {}
    assert broken_files(conn, bench.artifacts) == []


def leaves(seen: list[bool], rows: bytes = ROWS) -> Callable[[RenderRequest, threading.Event], None]:
    def script(request: RenderRequest, _: threading.Event) -> None:
        seen.append(request.preview)
        (request.scratch / first_rows.NAME).write_bytes(rows)

    return script


def test_the_first_rows_are_published_with_the_files_and_under_their_token(bench: Bench, conn: Connection) -> None:
    seen: list[bool] = []
    bench.script = leaves(seen)
    job_id = bench.a_rung_job()
    bench.start()
    bench.until(job_id, "SUCCESS")

    [stored] = conn.execute(text("SELECT a.*, j.lease_token AS won FROM artifacts a JOIN jobs j ON j.id = a.job_id "
                                 "WHERE a.format = 'rows'")).all()  # fmt: skip
    assert (stored.name, stored.media_type, stored.rows, stored.size_bytes) == (
        ".rows.jsonl", "application/x-ndjson", 1, len(ROWS))  # fmt: skip
    assert stored.lease_token == stored.won
    assert seen == [True]


def test_an_operator_may_want_none(bench: Bench) -> None:
    seen: list[bool] = []
    bench.script = lambda request, _: seen.append(request.preview)
    job_id = bench.a_rung_job()
    bench.start(REPORT_PREVIEW="off")
    bench.until(job_id, "SUCCESS")

    assert seen == [False]


def test_a_report_succeeds_without_rows_that_are_none(bench: Bench, conn: Connection) -> None:
    bench.script = leaves([], rows=b"no line")
    job_id = bench.a_rung_job()
    bench.start()
    bench.until(job_id, "SUCCESS")

    assert conn.execute(text("SELECT array_agg(format) FROM artifacts")).scalar_one() == ["csv"]


@pytest.mark.parametrize(
    ("name", "content"),
    [(first_rows.NAME, b""), (first_rows.NAME, b"{}\n[1]"), (first_rows.NAME, b"{}\n" + b"[1]\n" * 1001),
     (first_rows.NAME, b"x" * (2 << 20) + b"\n"), (first_page.NAME, b"<html><script>"), (first_page.NAME, b""),
     (first_page.NAME, PNG + b"x" * (2 << 20))],
)  # fmt: skip
def test_what_is_not_what_it_should_be_is_left_out(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)

    assert list(previews_in(tmp_path)) == []


def test_a_link_that_a_report_left_shows_no_file_of_the_worker(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(ROWS)
    folder = tmp_path / "scratch"
    folder.mkdir()
    (folder / first_rows.NAME).symlink_to(secret)
    (folder / first_page.NAME).mkdir()

    assert list(previews_in(folder)) == []


def test_both_are_described_as_they_are(tmp_path: Path) -> None:
    (tmp_path / first_rows.NAME).write_bytes(ROWS)
    (tmp_path / first_page.NAME).write_bytes(PNG)

    rows, page = previews_in(tmp_path)

    assert (rows.format, rows.rows, rows.size_bytes) == ("rows", 1, len(ROWS))
    assert (page.format, page.rows, page.media_type, page.size_bytes) == ("page", 0, "image/png", len(PNG))
