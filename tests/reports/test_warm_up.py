"""What every report finds prepared comes from the fork server, and never from another report."""

import dataclasses
import os
import subprocess
import sys

import pypdfium2
import pytest

from shared.catalog.model import Column, PdfOptions, ReportType, SummaryTable
from shared.reports import warm_up
from shared.reports.process import fork_server
from tests.reports.conftest import Render, a_report
from tests.support.processes.services import ROOT

_PREPARED = """
import os, threading
from shared.reports import duck, warm_up
warm_up.warm_up()
print(threading.active_count(), len(os.listdir("/proc/self/task")), len(duck._spare))
if (pid := os.fork()) == 0:
    [row] = duck._spare[0].execute("SELECT count(*) FROM duckdb_tables()").fetchall()
    print(row[0], flush=True)
    os._exit(0)
os.waitpid(pid, 0)
os._exit(0)
"""


def test_what_is_prepared_survives_a_fork_because_it_has_one_thread_and_holds_no_rows() -> None:
    made = subprocess.run(
        [sys.executable, "-uc", _PREPARED], cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, timeout=120
    )

    assert made.stdout.splitlines() == ["1 1 2", "0"], made.stderr


def test_a_reports_database_shows_nothing_of_the_report_before_it(make: Render) -> None:
    query = """SELECT (SELECT string_agg(table_name, ' ') FROM information_schema.tables) AS names,
                      (SELECT count(*) FROM duckdb_variables()) AS variables,
                      (SELECT count(*) FROM duckdb_temporary_files()) AS files"""
    seen = SummaryTable("seen", "Seen", query, {"names": Column("names", "Names")})

    def report(secret: str) -> ReportType:
        return dataclasses.replace(a_report(f"SELECT '{secret}' AS told"), pdf=PdfOptions(tables=(seen,)))

    [first] = make(report("of-acme"), formats="pdf")
    [second] = make(report("of-globex"), formats="pdf")

    texts = []
    for file in (first, second):
        document = pypdfium2.PdfDocument(file.path)
        texts.append("\n".join(page.get_textpage().get_text_range() for page in document))
    assert all("report" in text for text in texts)
    assert "of-acme" in texts[0]
    assert "of-acme" not in texts[1]


def test_the_memory_that_is_shared_with_the_fork_server_is_not_counted(make: Render) -> None:
    for formats in ("csv", "xlsx"):
        assert make(a_report("SELECT 1 AS fine", memory_mb=64), formats=formats)[0].rows == 1


def test_a_fork_server_that_cannot_prepare_says_so_and_serves(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise OSError("no space left")

    monkeypatch.setattr(warm_up, "warm_up", fail)
    fork_server._warm_up()

    assert "no space left" in capsys.readouterr().err
