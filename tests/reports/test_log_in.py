"""A report's process logs in to PostgreSQL with keys where it can, and with the password where it cannot."""

import logging
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.pq import ConnStatus

from deploy.local.postgres import EmbeddedPostgres
from shared.catalog.model import Format
from shared.reports.interface import RenderRequest, ReportError
from shared.reports.process import child, isolation, sandbox
from shared.reports.process.confinement import Needs
from shared.reports.process.source_keys import SourceKeys
from shared.reports.sources import scram
from shared.reports.sources.scram import AS_EVER, Keys, Login
from tests.reports.conftest import a_report
from tests.support.postgres.pgbouncer import PgBouncer

PASSWORD = "source-canary-41c7"
REFUSED = "password authentication failed"
Report = Callable[..., str]


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    """A server of its own: how it lets roles in is changed here."""
    with (
        tempfile.TemporaryDirectory(prefix="todoke-log-in-", ignore_cleanup_errors=True) as folder,
        EmbeddedPostgres(Path(folder), settings={"fsync": "off"}) as running,
    ):
        rules = Path(folder) / "data" / "pg_hba.conf"
        ways = "".join(f"host all by_{way} all {way}\n" for way in ("trust", "md5", "password"))
        rules.write_text(ways + rules.read_text())
        tell(running, "SELECT pg_reload_conf()")
        yield running


def tell(server: EmbeddedPostgres, *statements: str) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as conn:
        for statement in statements:
            conn.execute(statement.encode())


@pytest.fixture
def url(server: EmbeddedPostgres) -> Iterator[str]:
    """The source, as a role with a password."""
    tell(server, f"CREATE ROLE report LOGIN PASSWORD '{PASSWORD}'")
    yield server.dsn(user="report", password=PASSWORD)
    tell(server, "DROP ROLE report")


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> SourceKeys:
    """What the worker knows: nothing yet."""
    fresh = SourceKeys()
    monkeypatch.setattr(child, "source_keys", fresh)
    return fresh


@pytest.fixture
def report(scratch: Path) -> Report:
    """Make a report in a process of its own, and return the role that its query ran as."""

    def make(url: str, query: str = "SELECT current_user AS role") -> str:
        folder = Path(tempfile.mkdtemp(dir=scratch))
        request = RenderRequest(a_report(query), {}, (Format.CSV,), url, folder)
        [file] = child.render(request, deadline_s=60, on_progress=lambda _: None, cancel=threading.Event())
        return file.path.read_text().splitlines()[1]

    return make


def keys_for(url: str, known: SourceKeys, report: Report) -> Keys:
    """Have the worker learn the keys."""
    report(url)
    report(url)
    keys = known.login(url).keys
    assert keys is not None
    return keys


class Handing:
    """Hands out one log-in, whatever it is told."""

    def __init__(self, one: Login) -> None:
        self._one = one

    def login(self, _: str) -> Login:
        return self._one


@pytest.mark.parametrize("iterations", [4096, 10_000])
def test_the_third_process_logs_in_with_keys_and_needs_no_password(
    iterations: int, url: str, server: EmbeddedPostgres, known: SourceKeys, report: Report,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    tell(server, f"SET scram_iterations = {iterations}; ALTER ROLE report PASSWORD '{PASSWORD}'")
    keys = keys_for(url, known, report)

    monkeypatch.setattr(child, "source_keys", Handing(Login(keys, tells_salt=True)))
    assert report(url.replace(PASSWORD, "wrong")) == "report"  # so no rounds were made of it


def test_a_password_that_is_set_anew_is_used_again_at_once(
    url: str, server: EmbeddedPostgres, known: SourceKeys, report: Report
) -> None:
    keys_for(url, known, report)
    refused = server.log.read_text().count(REFUSED)
    tell(server, f"ALTER ROLE report PASSWORD '{PASSWORD}'")  # the same with another salt

    assert report(url) == "report"
    assert server.log.read_text().count(REFUSED) == refused + 1
    assert known.login(url) == AS_EVER
    assert report(url) == "report"
    assert server.log.read_text().count(REFUSED) == refused + 1


def test_another_password_is_refused_and_no_text_shows_keys(
    url: str, server: EmbeddedPostgres, known: SourceKeys, report: Report, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    keys = keys_for(url, known, report)
    with pytest.raises(ReportError) as broken:
        report(url, "SELECT 1 / 0 AS n")
    tell(server, "ALTER ROLE report PASSWORD 'another'")
    with pytest.raises(ReportError) as refused:
        report(url)

    assert refused.value.code == "source_unavailable"
    assert report(url.replace(PASSWORD, "another")) == "report"
    shown = f"{caplog.text} {[record.__dict__ for record in caplog.records]} {broken.value!r} {refused.value!r}"
    shown += f" {broken.value.hint} {refused.value.hint} {server.log.read_text()}"
    assert [one for one in (keys.client, keys.server, PASSWORD) if one in shown] == []


def test_no_command_line_and_no_environment_shows_keys(
    url: str, known: SourceKeys, report: Report, scratch: Path
) -> None:
    keys = keys_for(url, known, report)
    seen: list[str] = []

    def look(_: object) -> None:
        [server, *children] = [child.launcher.server_pid, *child._alive]
        told = [f"/proc/{server}/environ", *(f"/proc/{pid}/cmdline" for pid in (server, *children))]
        seen.extend(Path(one).read_bytes().decode() for one in told)

    request = RenderRequest(a_report("SELECT 1 AS n"), {}, (Format.XLSX,), url, Path(tempfile.mkdtemp(dir=scratch)))
    child.render(request, deadline_s=60, on_progress=look, cancel=threading.Event())

    assert len(seen) >= 3
    assert [one for one in (keys.client, keys.server, PASSWORD) if one in "".join(seen)] == []
    task = sandbox.Task(Needs.of(request), isolation.found(), [], None, None, known.login(url))
    assert keys.client not in repr(task)


@pytest.mark.parametrize("way", ["trust", "md5", "password"])
def test_a_server_that_asks_otherwise_is_not_asked_for_a_salt_again(
    way: str, server: EmbeddedPostgres, known: SourceKeys, report: Report
) -> None:
    role = f"by_{way}"
    stored = "SET password_encryption = md5; " if way == "md5" else ""
    tell(server, f"{stored}CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    url = server.dsn(user=role, password=PASSWORD)

    assert [report(url), known.login(url), report(url)] == [role, AS_EVER, role]


def test_a_password_beyond_ascii_is_prepared_by_libpq_alone(
    url: str, server: EmbeddedPostgres, known: SourceKeys, report: Report
) -> None:
    tell(server, "ALTER ROLE report PASSWORD 'Ⅸ pässwörd'")
    url = url.replace(PASSWORD, "IX%C2%A0p%C3%A4ssw%C3%B6rd")  # the same by SASLprep

    assert [report(url), report(url), report(url)] == ["report"] * 3
    assert known.login(url) == AS_EVER


def test_a_pooler_that_makes_up_its_salts_refuses_nobody(url: str, known: SourceKeys, report: Report) -> None:
    with PgBouncer({"source": url}, server_connections=2, auth="scram-sha-256") as pooler:
        pooled = pooler.urls["source"]
        assert [report(pooled) for _ in range(4)] == ["report"] * 4
        assert "authentication failed" not in pooler.log.read_text()
    assert known.login(pooled) == AS_EVER


def test_a_wrong_password_teaches_nothing(url: str, known: SourceKeys, report: Report) -> None:
    wrong = url.replace(PASSWORD, "wrong")

    for _ in range(3):
        with pytest.raises(ReportError, match="did not answer"):
            report(wrong)
    assert known.login(wrong) == Login(tells_salt=True)


def test_a_server_that_breaks_off_before_it_asks_for_a_password_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Broken:
        status, used_password = ConnStatus.BAD, False

        @classmethod
        def connect(cls, conninfo: bytes) -> "Broken":
            asked.append(conninfo.decode())
            return cls()

    monkeypatch.setattr(scram, "PGconn", Broken)
    monkeypatch.setattr(scram, "_told", [])
    scram.log_in_by(Keys("client", "server"), lambda _: pytest.fail("there is no salt"))

    assert scram.log_in("host=db.test", timeout_s=5).status == ConnStatus.BAD
    assert asked == ["host=db.test scram_client_key='client' scram_server_key='server'"]


def test_a_server_that_is_away_is_as_unavailable_as_ever(known: SourceKeys, report: Report) -> None:
    away = f"postgresql://report:{PASSWORD}@127.0.0.1:9/postgres"

    with pytest.raises(ReportError, match="did not answer"):
        report(away)
    assert known.login(away) == Login(tells_salt=True)


def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scram, "_told", [])
    scram.log_in_by(None, lambda _: pytest.fail("there is no salt"))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        at = f"host=127.0.0.1 port={silent.getsockname()[1]} user=report password={PASSWORD}"
        with pytest.raises(psycopg.OperationalError, match="timeout expired"):
            scram.log_in(at, timeout_s=0.01)
