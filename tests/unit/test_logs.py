"""Every line of a service is one JSON object, whichever code writes it."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def lines_of(script: str) -> list[dict[str, object]]:
    """What a process with our logs writes to stderr."""
    start = "import logging\nfrom shared.runtime import logs\nlogs.configure('relay')\n"
    done = subprocess.run(
        [sys.executable, "-c", start + textwrap.dedent(script)], cwd=ROOT, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.stdout == ""
    return [json.loads(line) for line in done.stderr.splitlines()]


@pytest.mark.parametrize(
    ("script", "event"),
    [
        ("logging.getLogger('psycopg').warning('error ignored in %s', 'rollback')", "error ignored in rollback"),
        ("import warnings; warnings.warn('old')", "old"),
        ("import threading; t = threading.Thread(target=lambda: 1 / 0); t.start(); t.join()", "thread.broken"),
        ("1 / 0", "process.broken"),
        ("class A:\n    def __del__(self): 1 / 0\nA()", "finalizer.broken"),
    ],
)
def test_what_libraries_and_python_itself_write(script: str, event: str) -> None:
    [line] = lines_of(script)

    assert event in str(line["event"])
    assert line["service"] == "relay"


def test_uvicorns_colours_stay_out() -> None:
    [line] = lines_of("logging.getLogger('uvicorn').info('Started', extra={'color_message': '\\x1b[36mStarted'})")

    assert "color_message" not in line


def test_a_probe_that_goes_away_writes_nothing_and_a_broken_answer_one_line() -> None:
    [line] = lines_of("""
        import socket, struct, threading, urllib.request
        from shared.runtime import ops_server
        from shared.runtime.ops_server import OpsServer
        asked, left, done = threading.Event(), threading.Event(), threading.Event()
        def check():
            asked.set()
            assert left.wait(60)
        def broken():
            raise ZeroDivisionError
        server = OpsServer("127.0.0.1", 0, {"patience": check})
        client = socket.create_connection(("127.0.0.1", server.port))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.sendall(b"GET /readyz HTTP/1.0\\r\\n\\r\\n")
        assert asked.wait(60)
        client.close()  # with a reset
        left.set()
        server.close()
        ops_server.exposition = broken
        server = OpsServer("127.0.0.1", 0, {})
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=60)
        except OSError:
            pass
        server._server.daemon_threads = False
        server.close()
    """)

    assert line["event"] == "ops.broken"
    assert "ZeroDivisionError" in str(line["traceback"])


def test_what_a_report_logs_and_prints_is_told_by_its_worker_and_under_its_job() -> None:
    lines = lines_of("""
        import os
        from shared.reports.process.output import Output
        reading, writing = os.pipe()
        if os.fork() == 0:
            os.dup2(writing, 2)
            logs.take_over(logs.level())
            logging.getLogger("psycopg").warning("ignored")
            logging.getLogger("psycopg").debug("not told")
            os._exit(0)
        os.close(writing)
        os.wait()
        with logs.context(job_id="j1"), Output(reading):
            pass
    """)

    assert [(line["event"], line["text"], line["job_id"], line["service"]) for line in lines] == [
        ("report.output", "WARNING psycopg: ignored", "j1", "relay")
    ]
