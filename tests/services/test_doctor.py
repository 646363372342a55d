"""`todoke-server doctor`: each thing that can be wrong is made wrong, and is told with what to do."""

import json
import shutil
import socket
import sqlite3
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import boto3
import psycopg
import pytest
from psycopg import sql
from sqlalchemy import text
from sqlalchemy.engine import Connection, make_url

from deploy.local.emulator import Emulator
from migrations import grants, heads
from services.cli.__main__ import main
from services.cli.doctor import database, machine
from services.cli.doctor.clock import compared
from services.cli.doctor.finding import Finding, Level, look_everywhere, ok
from shared.catalog.load import BUILTIN
from shared.database.engine import create_engine
from shared.database.look import look_at
from shared.errors import TodokeError
from shared.reports.process.isolation import Isolation
from tests.support.postgres import server
from tests.support.postgres.roles import service_urls
from tests.support.s3_proxy import S3Proxy
from tests.support.sqs.rules import Mailbox
from tests.support.sqs.server import Door

Found = dict[str, list[Finding]]
Doctor = Callable[..., Found]


@pytest.fixture
def door() -> Iterator[Door]:
    """SQS with the queue, as `setup-queues` makes it."""
    with Door() as opened:
        queue = opened.queues.make("jobs", max_receive_count=20)
        opened.queues.boxes["jobs-dlq"].retention_s = 14 * 86_400
        queue.retention_s = 4 * 86_400
        yield opened


@pytest.fixture
def environment(database_url: str, door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """All that a worker's environment has."""
    for name in ("REPORT_SOURCES", "REPORT_FONTS", "REPORT_ISOLATION", "SQS_DLQ_URL", "DATABASE_URL_FILE"):
        monkeypatch.delenv(name, raising=False)
    there = {
        **door.environment(),
        "DATABASE_URL": database_url,
        "REPORT_SOURCE_URL": database_url,
        "SQS_QUEUE_URL": door.queue_url("jobs"),
        "ARTIFACT_URL": (tmp_path / "artifacts").as_uri(),
        "WORKER_SCRATCH": str(tmp_path),
        "CATALOG_PATH": str(BUILTIN),
    }
    for name, value in there.items():
        monkeypatch.setenv(name, value)
    return there


@pytest.fixture
def doctor(environment: dict[str, str], capsys: pytest.CaptureFixture[str]) -> Doctor:
    """The command with `-o json`: its findings by what was looked at. The exit code is checked against them."""

    def call(*arguments: str) -> Found:
        capsys.readouterr()
        code = main(["doctor", "-o", "json", *arguments])
        document = json.loads(capsys.readouterr().out)
        found: Found = {}
        for one in document["checks"]:
            finding = Finding(Level(one["level"]), one["check"], one["message"], one["remedy"])
            found.setdefault(finding.check, []).append(finding)
        everything = [one for many in found.values() for one in many]
        assert code == (1 if any(one.level is Level.FAIL for one in everything) else 0)
        assert document["level"] == max((one.level for one in everything), key=["ok", "warn", "fail"].index)
        return found

    return call


def worst(found: Found, check: str) -> tuple[str, str]:
    """The level of the worst finding about a thing, and all that is said of it."""
    many = found[check]
    return max((one.level for one in many), key=list(Level).index), " | ".join(f"{m} -> {r}" for _, _, m, r in many)


def test_where_all_is_well_nothing_fails(doctor: Doctor) -> None:
    found = doctor()

    assert [one for many in found.values() for one in many if one.level is Level.FAIL] == []
    assert set(found) == {
        "database", "database.encoding", "database.durability", "database.clock", "database.migrations",
        "database.sessions", "database.rights", "queue", "queue.clock", "queue.redrive", "queue.dead_letters", "store",
        "scratch", "isolation", "permissions", "fonts", "catalog", "sources.default",
    }  # fmt: skip


def test_lines_and_exit_codes(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    del doctor
    assert main(["doctor", "--for", "relay"]) == 0
    shown = capsys.readouterr()
    assert all(len(line.split("\t")) == 4 for line in shown.out.splitlines())
    assert shown.err.endswith(" 0 fail\n")
    assert main(["doctor", "--for", "relay", "--strict"]) == 1  # the tests' database does without fsync
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    capsys.readouterr()
    main(["doctor", "--for", "relay"])
    assert "→ turn both on in postgresql.conf" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        main(["doctor", "--for", "nobody"])


@pytest.mark.parametrize(
    ("service", "not_looked_at"),
    [("api", {"queue", "scratch"}), ("relay", {"scratch", "catalog"}), ("worker", set())],
)
def test_a_service_is_looked_at_with_what_it_needs(service: str, not_looked_at: set[str], doctor: Doctor) -> None:
    assert not not_looked_at & set(doctor("--for", service))


# --- the database


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://u:hunter2@127.0.0.1:1/d", "PostgreSQL does not answer"),
        ("mysql://x", "must begin with postgresql://"),
        ("", "DATABASE_URL is not set"),
    ],
)
def test_a_database_that_is_away_or_not_named(
    url: str, told: str, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    level, said = worst(doctor(), "database")
    assert (level, told in said, "hunter2" in said) == ("fail", True, False)


def test_a_wrong_password(doctor: Doctor, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = make_url(environment["DATABASE_URL"]).set(password="wrong").render_as_string(hide_password=False)
    monkeypatch.setenv("DATABASE_URL", wrong)
    assert worst(doctor("--for", "relay"), "database")[0] == "fail"


def test_a_server_that_never_answers_is_told_in_time(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("DATABASE_URL", f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/d")
        level, said = worst(doctor("--timeout", "1", "--for", "relay"), "database")
    assert (level, "no answer within 1 s" in said) == ("fail", True)


@pytest.mark.parametrize(
    ("change", "check", "level", "told"),
    [
        ("UPDATE alembic_version SET version_num = '9999'", "database.migrations", "fail", "supports it only up to"),
        ("UPDATE alembic_version SET version_num = '0000'", "database.migrations", "fail", "migrate upgrade"),
        ("DELETE FROM alembic_version", "database.migrations", "fail", "has never been migrated"),
        ("ALTER DATABASE {} SET default_transaction_read_only = on", "database.sessions", "fail", "is read-only"),
        ("ALTER DATABASE {} SET synchronous_commit = off", "database.durability", "fail", "may be lost in a crash"),
        ("SELECT 1", "database.durability", "warn", "fsync or full_page_writes is off"),
    ],
)
def test_a_database_that_is_not_as_it_should_be(
    change: str, check: str, level: str, told: str, doctor: Doctor, database_url: str, conn: Connection
) -> None:
    conn.execute(text(change.format(make_url(database_url).database)))

    found = worst(doctor("--for", "relay"), check)
    assert (found[0], told in found[1]) == (level, True), found


def test_a_database_that_was_never_migrated_or_cannot_hold_every_text(
    doctor: Doctor, postgres_server: server.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server.database(postgres_server, template=None) as bare:
        monkeypatch.setenv("DATABASE_URL", bare)
        assert "has never been migrated" in worst(doctor("--for", "relay"), "database.migrations")[1]
        with psycopg.connect(bare, autocommit=True) as conn:
            conn.execute(
                "CREATE DATABASE ascii_only ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
            )
        try:
            monkeypatch.setenv("DATABASE_URL", bare.rpartition("/")[0] + "/ascii_only")
            assert worst(doctor("--for", "relay"), "database.encoding")[0] == "fail"
        finally:
            with psycopg.connect(bare, autocommit=True) as conn:
                conn.execute("DROP DATABASE ascii_only WITH (FORCE)")


def test_rights_that_a_role_lacks(doctor: Doctor, database_url: str, conn: Connection) -> None:
    urls = service_urls(database_url)
    roles = [part for service, url in urls.items() for part in (f"--{service}", make_url(url).username or "")]
    assert worst(doctor(*roles), "database.rights")[0] == "ok"

    conn.execute(text("REVOKE DELETE ON outbox FROM test_relay; REVOKE UPDATE (lease_until) ON jobs FROM test_worker"))
    conn.execute(text("REVOKE SELECT ON outbox_id_seq FROM test_relay"))
    level, said = worst(doctor(*roles), "database.rights")
    assert level == "fail"
    assert "test_relay lacks rights of the relay: DELETE ON outbox, SELECT ON outbox_id_seq" in said
    assert "test_worker lacks rights of the worker: UPDATE ON jobs" in said
    assert "migrate grant --worker test_worker" in said
    assert "there is no role 'nobody_there'" in worst(doctor("--api", "nobody_there"), "database.rights")[1]
    grants.grant(database_url, {"relay": "test_relay", "worker": "test_worker"})
    assert worst(doctor(*roles), "database.rights")[0] == "ok"


def test_the_role_that_a_service_logs_in_as(
    doctor: Doctor, database_url: str, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "owns the tables" in worst(doctor("--for", "worker"), "database.rights")[1]
    assert worst(doctor("--for", "worker"), "database.rights")[0] == "warn"
    monkeypatch.setenv("DATABASE_URL", service_urls(database_url)["worker"])
    assert worst(doctor("--for", "worker"), "database.rights")[0] == "ok"
    assert worst(doctor("--for", "api"), "database.rights")[0] == "fail"
    assert "test_worker has the rights of worker" in worst(doctor(), "database.rights")[1]
    conn.execute(text("REVOKE SELECT ON jobs FROM test_worker"))
    assert "lacks rights of the worker: SELECT ON jobs" in worst(doctor(), "database.rights")[1]


def test_an_old_server(database_url: str) -> None:
    engine = create_engine(database_url, application_name="test")
    facts = look_at(engine)
    engine.dispose()
    assert abs(facts.ahead_s) < 60
    old = [one.level for one in database._server(replace(facts, version_number=140_012, version="14.12"))]
    assert old[0] is Level.FAIL
    [kept] = [f for f in database._server(replace(facts, survives_crashes=True)) if f.check == "database.durability"]
    assert kept.level is Level.OK


def test_the_head_is_the_last_file_of_the_versions() -> None:
    from alembic.script import ScriptDirectory

    found = ScriptDirectory(str(Path(heads.__file__).parent)).get_current_head()
    assert heads.head() == found


# --- clocks


@pytest.mark.parametrize(
    ("ahead_s", "level"), [(0.4, "ok"), (-4.9, "ok"), (5.1, "warn"), (-299, "warn"), (301, "fail"), (-301, "fail")]
)
def test_a_clock_that_is_off(ahead_s: float, level: str) -> None:
    [found] = compared("queue.clock", "SQS", ahead_s, most_s=300)
    assert found.level == level
    assert found.level is Level.OK or ("ahead of" if ahead_s > 0 else "behind") in found.message


def test_a_machine_whose_clock_is_off_is_told_by_database_and_queue(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    for module in ("shared.database.look", "shared.queues.look"):
        monkeypatch.setattr(f"{module}.time", lambda: time.time() - 100)
    found = doctor("--for", "relay")
    assert (worst(found, "database.clock")[0], worst(found, "queue.clock")[0]) == ("warn", "warn")


# --- the queue


def _no_policy(door: Door, queue: Mailbox) -> None:
    queue.dead_letter = None


def _no_queue(door: Door, queue: Mailbox) -> None:
    del door.queues.boxes["jobs"]


def _no_dead_queue(door: Door, queue: Mailbox) -> None:
    del door.queues.boxes["jobs-dlq"]


def _dead_letter(door: Door, queue: Mailbox) -> None:
    door.queues.boxes["jobs-dlq"].send("x", {})


def _short_dead(door: Door, queue: Mailbox) -> None:
    door.queues.boxes["jobs-dlq"].retention_s = 60


@pytest.mark.parametrize(
    ("change", "check", "level", "told"),
    [
        (_no_queue, "queue", "fail", "-> run `todoke-server setup-queues`, or correct SQS_QUEUE_URL"),
        (_no_policy, "queue.redrive", "fail", "no redrive policy"),
        (lambda _, queue: setattr(queue, "max_receive_count", 3), "queue.redrive", "warn", "maxReceiveCount is 3"),
        (lambda _, queue: setattr(queue, "delay_s", 9), "queue.delay", "warn", "waits 9 s"),
        (lambda _, queue: setattr(queue, "retention_s", 60), "queue.retention", "warn", "deleted after 60 s"),
        (_no_dead_queue, "queue.dead_letters", "fail", "there is no queue jobs-dlq"),
        (_dead_letter, "queue.dead_letters", "warn", "1 dead letter(s) -> inspect them with `todoke-server dlq list`"),
        (_short_dead, "queue.dead_letters", "warn", "kept for 60 s"),
    ],
)
def test_a_queue_that_is_not_as_it_should_be(
    change: Callable[[Door, Mailbox], None], check: str, level: str, told: str, doctor: Doctor, door: Door
) -> None:
    change(door, door.queues.boxes["jobs"])

    found = worst(doctor("--for", "relay"), check)
    assert (found[0], found[1].count(told)) == (level, 1), found
    assert found[1].count("setup-queues") <= 1


@pytest.mark.parametrize(("named", "level"), [("jobs-dlq", "ok"), ("others-dlq", "fail")])
def test_dead_letters_that_are_looked_for_in_another_queue(
    named: str, level: str, doctor: Doctor, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    door.queues.make("others-dlq")
    monkeypatch.setenv("SQS_DLQ_URL", door.queue_url(named))

    found = worst(doctor("--for", "relay"), "queue.dead_letters")
    assert found[0] == level, found
    assert level == "ok" or "SQS_DLQ_URL is others-dlq, but the queue moves messages to jobs-dlq" in found[1]


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("SQS_QUEUE_URL", "", "SQS_QUEUE_URL is not set"),
        ("SQS_QUEUE_URL", "jobs", "must begin with https://"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9", "check network, region and credentials"),
    ],
)
def test_a_queue_that_is_away_or_not_named(
    name: str, value: str, told: str, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    level, said = worst(doctor("--for", "relay"), "queue")
    assert (level, told in said) == ("fail", True), said


def test_a_fifo_queue(doctor: Doctor, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQS_QUEUE_URL", door.queue_url("jobs.fifo"))
    assert "a FIFO queue" in worst(doctor("--for", "relay"), "queue")[1]


# --- the artifact store


@pytest.mark.parametrize(
    ("url", "told"),
    [("file:///dev/null/x", "check its rights"), ("ftp://x", "correct ARTIFACT_URL"), ("s3://b/p", "correct ARTIFACT")],
)
def test_a_store_that_cannot_be_used(url: str, told: str, doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTIFACT_URL", url)
    level, said = worst(doctor("--for", "relay"), "store")
    assert (level, told in said) == ("fail", True), said


def test_a_full_disk(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100 << 20))
    found = doctor()
    assert (worst(found, "store.room")[0], worst(found, "scratch")[0]) == ("warn", "warn")


def test_a_bucket_and_its_versions(
    bucket: str, emulator: Emulator, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in emulator.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ARTIFACT_URL", f"s3://{bucket}/prefix")
    found = doctor("--for", "api")
    assert (worst(found, "store")[0], worst(found, "store.clock")[0]) == ("ok", "ok")
    assert "keeps no older versions" in worst(found, "store.versions")[1]

    boto3.client("s3").put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert "retention removes every version" in worst(doctor("--for", "api"), "store.versions")[1]
    with S3Proxy(emulator.endpoint_url, drop="if-none-match") as other:
        monkeypatch.setenv("AWS_ENDPOINT_URL", other.url)
        level, said = worst(doctor("--for", "api"), "store.features")
        assert (level, "ignores If-None-Match" in said) == ("warn", True)
    monkeypatch.setenv("AWS_ENDPOINT_URL", emulator.endpoint_url)
    monkeypatch.setenv("ARTIFACT_URL", "s3://no-such-bucket-here/prefix")
    level, said = worst(doctor("--for", "api"), "store")
    assert level == "fail"
    assert said.startswith("S3 has no bucket no-such-bucket-here: create it, or correct its name")


# --- this machine


def test_a_scratch_folder_that_cannot_be_written(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKER_SCRATCH", "/dev/null/x")
    level, said = worst(doctor(), "scratch")
    assert (level, "Not a directory" in said) == ("fail", True)


def test_a_machine_that_cannot_keep_reports_apart(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.reports.process.isolation.found", lambda: Isolation(landlock=0, seccomp=False))
    level, said = worst(doctor(), "isolation")
    assert (level, "files is not isolated here -> needs Linux 5.19" in said) == ("warn", True)
    monkeypatch.setenv("REPORT_ISOLATION", "required")
    assert worst(doctor(), "isolation")[0] == "fail"


def test_secrets_that_others_may_read_and_files_that_are_missing(
    doctor: Doctor, environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert worst(doctor(), "permissions")[0] == "ok"
    file = tmp_path / "url"
    file.write_text(environment["DATABASE_URL"])
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.setenv("DATABASE_URL_FILE", str(file))
    file.chmod(0o640)
    assert worst(doctor(), "permissions")[0] == "ok"
    file.chmod(0o644)
    level, said = worst(doctor(), "permissions")
    assert (level, f"chmod o-r {file}" in said) == ("warn", True)
    monkeypatch.setenv("MANIFEST_KEY_FILE", str(tmp_path / "none"))
    assert worst(doctor(), "permissions")[0] == "fail"
    monkeypatch.delenv("MANIFEST_KEY_FILE")
    monkeypatch.setattr(machine, "_open_files", lambda: 256)
    assert "may open only 256 files" in worst(doctor(), "permissions")[1]
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert "this user is root" in worst(doctor(), "permissions")[1]


def test_fonts(doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPORT_FONTS", str(tmp_path / "none"))
    assert worst(doctor(), "fonts")[0] == "fail"
    (tmp_path / "fonts").mkdir()
    monkeypatch.setenv("REPORT_FONTS", str(tmp_path / "fonts"))
    assert worst(doctor(), "fonts")[0] == "warn"
    import reportlab

    (tmp_path / "more").mkdir()
    shutil.copy(Path(reportlab.__file__).parent / "fonts" / "Vera.ttf", tmp_path / "more" / "Vera.ttf")
    monkeypatch.setenv("REPORT_FONTS", str(tmp_path / "more"))
    assert "REPORT_FONTS adds " in worst(doctor(), "fonts")[1]
    monkeypatch.setattr("shared.reports.formats.pdf.fonts.FACES", tmp_path / "none")
    assert worst(doctor(), "fonts")[0] == "warn"


# --- the catalog and its sources


@pytest.fixture
def catalog(tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalog of two report types, one of which reads `files`."""
    for name, source in (("one", ""), ("two", 'source = "files"\n')):
        (tmp_path / "catalog" / name).mkdir(parents=True)
        (tmp_path / "catalog" / name / "report.toml").write_text(f'title = "T"\n{source}')
        (tmp_path / "catalog" / name / "query.sql").write_text("SELECT 1 AS one")
    monkeypatch.setenv("CATALOG_PATH", str(tmp_path / "catalog"))
    return tmp_path / "catalog"


def test_a_wrong_catalog(doctor: Doctor, catalog: Path) -> None:
    (catalog / "one" / "report.toml").write_text('titel = "T"\n')
    level, said = worst(doctor("--for", "api"), "catalog")
    assert (level, "report.toml:1: titel: is not a setting" in said) == ("fail", True)


def test_a_wrong_file_of_a_schedule_is_named_and_only_that(doctor: Doctor, catalog: Path) -> None:
    (catalog / "_schedules").mkdir()
    right = 'tenant = "acme"\nreport_type = "one"\nevery_seconds = 3600\n'
    (catalog / "_schedules" / "right.toml").write_text(right)
    (catalog / "_schedules" / "wrong.toml").write_text(right.replace("3600", '3600\ncron = "0 7 * * *"'))
    found = doctor("--for", "api")
    assert worst(found, "catalog")[0] == "ok"
    level, said = worst(found, "catalog.schedules")
    assert (level, "wrong.toml:4: cron: write either cron" in said) == ("fail", True)


def test_sources_that_are_not_named_or_away(
    doctor: Doctor, catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = doctor("--for", "api")
    assert worst(found, "sources.default")[0] == "warn"
    assert "is a superuser" in worst(found, "sources.default")[1]
    assert "no URL is set for it -> set REPORT_SOURCES on the worker" in worst(found, "sources.files")[1]
    monkeypatch.setenv("REPORT_SOURCES", f"files=file://{tmp_path}/none")
    assert "none is not a folder" in worst(doctor("--for", "api"), "sources.files")[1]
    monkeypatch.setenv("REPORT_SOURCES", f"files=file://{tmp_path}")
    monkeypatch.setenv("REPORT_SOURCE_URL", "postgresql://u:hunter2@127.0.0.1:1/d")
    found = doctor("--for", "api")
    assert (worst(found, "sources.files")[0], worst(found, "sources.default")[0]) == ("ok", "fail")
    assert "hunter2" not in worst(found, "sources.default")[1]
    for name, level, words in (("shop.db", "ok", "it answers"), ("none.db", "fail", "unable to open database file")):
        sqlite3.connect(tmp_path / "shop.db").execute("CREATE TABLE IF NOT EXISTS t (a)")
        monkeypatch.setenv("REPORT_SOURCES", f"files=sqlite://{tmp_path}/{name}")
        answer = worst(doctor("--for", "api"), "sources.files")
        assert (answer[0], words in answer[1]) == (level, True)
    monkeypatch.setenv("REPORT_SOURCES", "files")
    assert "write name=URL" in worst(doctor("--for", "api"), "sources")[1]


def test_a_source_with_a_role_that_only_reads(
    doctor: Doctor, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(database_url, autocommit=True) as conn:
        name = sql.Identifier(f"reader_{make_url(database_url).database}")
        conn.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'canary'").format(name))
        try:
            url = make_url(database_url).set(username=f"reader_{make_url(database_url).database}", password="canary")
            monkeypatch.setenv("REPORT_SOURCE_URL", url.render_as_string(hide_password=False))
            assert worst(doctor("--for", "api"), "sources.default")[0] == "ok"
            conn.execute(sql.SQL("GRANT INSERT ON jobs TO {}").format(name))
            assert "may write to tables" in worst(doctor("--for", "api"), "sources.default")[1]
        finally:
            conn.execute(sql.SQL("DROP OWNED BY {}").format(name))
            conn.execute(sql.SQL("DROP ROLE {}").format(name))


# --- the doctor itself


def test_a_look_that_fails_leaves_the_others_alone() -> None:
    def broken() -> Iterator[Finding]:
        yield ok("a", "so far")
        raise RuntimeError("oh\nno")

    def refused() -> Iterator[Finding]:
        raise TodokeError("not today")

    def missing() -> Iterator[Finding]:
        raise ModuleNotFoundError("No module named 'boto3.x'", name="boto3.x")

    looks = {"a": broken, "b": refused, "c": missing, "d": lambda: [ok("d", "fine")]}
    assert [(one.level, one.check, one.message) for one in look_everywhere(looks, timeout_s=60)] == [
        ("ok", "a", "so far"),
        ("fail", "a", "RuntimeError: oh"),
        ("fail", "b", "not today"),
        ("warn", "c", "not checked: boto3 is not installed here"),
        ("ok", "d", "fine"),
    ]
