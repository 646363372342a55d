"""The schedules of the catalog's files: created, changed and removed with the files, and only so."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event, text
from sqlalchemy.engine import Connection

from services.api import metrics
from services.api.actions.schedule_files import to_do
from services.api.schedule_files import Follower, follow
from shared.access import api_keys
from shared.access.scopes import OWN, USUAL
from shared.catalog.load import BUILTIN
from shared.database.statements import statement_name
from shared.schedules.files import FOLDER, read_schedule_files
from shared.schedules.from_files import HELD_S, known
from tests.support.api_app import an_app, problem
from tests.support.eventually import eventually
from tests.support.jobs import count
from tests.support.postgres.roles import service_urls

FILE = """\
tenant = "acme"
owner = "nightly"
report_type = "calendar"
cron = "0 7 * * *"
time_zone = "Asia/Tokyo"
priority = 7
"""


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    shutil.copytree(BUILTIN, tmp_path / "catalog")
    (tmp_path / "catalog" / FOLDER).mkdir()
    return tmp_path / "catalog"


@pytest.fixture
def client(database_url: str, scratch: Path, catalog: Path) -> Iterator[TestClient]:
    app = an_app(service_urls(database_url)["api"], scratch, API_AUTH="keys", CATALOG_PATH=str(catalog))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def test_the_files_are_followed_whatever_happens(
    client: TestClient, catalog: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looks: list[None] = []

    def look(_: Follower) -> None:
        looks.append(None)
        if len(looks) > 2:
            threading.Event().wait()  # for good: the thread has nothing more to do
        raise RuntimeError

    monkeypatch.setattr(Follower, "look", look)
    monkeypatch.setattr("services.api.schedule_files._LOOK_EVERY_S", 0.02)
    follow(client.app.state.parts, catalog)  # type: ignore[attr-defined]
    eventually(lambda: len(looks) > 2)
    assert caplog.records[-1].reason == "RuntimeError()"  # type: ignore[attr-defined]


@pytest.fixture
def follower(client: TestClient, catalog: Path) -> Follower:
    return Follower(client.app.state.parts, catalog)  # type: ignore[attr-defined]


def refused(reason: str) -> float:
    """How many files could not be taken for that reason at the last look."""
    return metrics.SCHEDULE_FILES_REFUSED.labels(reason)._value.get()  # type: ignore[no-any-return]


def looks(follower: Follower) -> None:
    """It looks twice: what has changed is read once it rests."""
    follower.look()
    follower.look()


def test_a_schedule_follows_its_file(
    client: TestClient, conn: Connection, catalog: Path, follower: Follower, caplog: pytest.LogCaptureFixture
) -> None:
    api_keys.create_key(conn, tenant="acme", name="nightly", scopes=USUAL)
    client.headers["Authorization"] = f"Bearer {api_keys.create_key(conn, tenant='acme', name='admin', scopes=OWN)}"
    file = catalog / FOLDER / "daily.toml"
    file.write_text(FILE)
    looks(follower)

    [found] = client.get("/v1/schedules").json()["schedules"]
    own = found["links"]["self"]
    assert (found["file"], found["name"], found["owner"], found["options"]) == (
        "daily", "daily", "nightly", {"priority": 7},
    )  # fmt: skip
    assert found["coming"][0]["local"].endswith("T07:00:00+09:00")
    for refused in (client.patch(own, json={"cron": "0 8 * * *"}), client.delete(own)):
        assert "_schedules/daily.toml" in problem(refused, 409, "schedule_in_file")["detail"]
    assert client.post(f"{own}:run").status_code == 202
    client.post(f"{own}:pause", json={"note": "moving"})
    assert client.post(f"{own}:resume").json()["owner"] == "nightly"

    # A setting that leaves the file leaves the schedule; what is wrong leaves it as it was.
    file.write_text(FILE.replace("priority = 7\n", "").replace("0 7", "0 9"))
    looks(follower)
    changed = client.get(own).json()
    assert (changed["cron"], changed["options"], changed["scheduleId"]) == ("0 9 * * *", {}, found["scheduleId"])
    file.write_text(FILE + "nonsense = 1\n")
    looks(follower)
    assert "nonsense" in vars(caplog.records[-1])["problem"]
    assert client.get(own).json()["cron"] == "0 9 * * *"
    file.unlink()
    looks(follower)
    assert client.get(own).json()["state"] == "active"
    nobody_has(conn, "daily")
    minute(follower)
    assert client.get(own).json()["stopReason"] == "file_gone"
    trail = conn.execute(text("SELECT action, subject FROM audit ORDER BY id")).all()
    assert [one.action for one in trail if one.subject == "catalog"] == [
        "schedules.create", "schedules.update", "schedules.update",
    ]  # fmt: skip


def test_while_all_is_as_the_files_have_it_nothing_is_locked_or_written(
    client: TestClient, conn: Connection, catalog: Path, follower: Follower
) -> None:
    asked: list[str] = []
    engine = client.app.state.parts.engine  # type: ignore[attr-defined]
    event.listen(engine, "before_cursor_execute", lambda _c, _cur, sql, *_: asked.append(statement_name(sql)))
    looks(follower)
    assert set(asked) == {"schedules.of_files"}
    api_keys.create_key(conn, tenant="acme", name="nightly", scopes=USUAL)
    (catalog / FOLDER / "daily.toml").write_text(FILE)
    looks(follower)
    assert "schedules.hold_of_files" in asked
    asked.clear()
    Follower(client.app.state.parts, catalog).look()  # type: ignore[attr-defined]
    for _ in range(13):
        follower.look()
    assert set(asked) == {"schedules.of_files"}
    # Each minute one of the APIs says that it has the file: the first that comes to it.
    conn.execute(text("UPDATE schedules SET file_seen_at = file_seen_at - interval '1 minute'"))
    for _ in range(24):
        follower.look()
    assert [one for one in asked if one != "schedules.of_files"] == ["schedules.file_seen"]


@pytest.mark.parametrize("at", ["schedules.create", "schedules.mark_file", "audit.record"])
def test_what_breaks_on_its_way_leaves_nothing_and_is_made_once_by_the_next_look(
    client: TestClient, conn: Connection, catalog: Path, follower: Follower, at: str
) -> None:
    api_keys.create_key(conn, tenant="acme", name="nightly", scopes=USUAL)
    (catalog / FOLDER / "daily.toml").write_text(FILE)
    engine = client.app.state.parts.engine  # type: ignore[attr-defined]
    broken: list[str] = []

    def breaks(_conn: object, _cursor: object, sql: str, *_: object) -> None:
        if statement_name(sql) == at and not broken:
            broken.append(at)
            raise OSError("cut off")

    event.listen(engine, "after_cursor_execute", breaks)
    with pytest.raises(OSError, match="cut off"):
        follower.look()
    assert [count(conn, table) for table in ("schedules", "audit")] == [0, 0]
    looks(follower)
    assert [count(conn, table) for table in ("schedules", "audit")] == [1, 1]


def test_it_waits_for_its_owner_and_goes_on_with_the_next_key_of_that_name(
    client: TestClient, conn: Connection, catalog: Path, follower: Follower, caplog: pytest.LogCaptureFixture
) -> None:
    (catalog / FOLDER / "daily.toml").write_text(FILE)
    looks(follower)
    assert "schedule_file.no_owner" in [one.message for one in caplog.records]
    api_keys.create_key(conn, tenant="acme", name="nightly", scopes=USUAL)
    for _ in range(13):
        follower.look()
    row = conn.execute(text("SELECT * FROM schedules")).one()
    assert row.owner_key is not None

    api_keys.revoke_keys(conn, tenant="acme", name="nightly")
    conn.execute(
        text("UPDATE schedules SET next_tick = NULL, due_at = NULL, stopped_at = now(), stop_reason = 'owner_gone'")
    )
    for _ in range(13):
        follower.look()
    assert conn.execute(text("SELECT stop_reason FROM schedules")).scalar_one() == "owner_gone"
    api_keys.create_key(conn, tenant="acme", name="nightly", scopes=USUAL)
    for _ in range(13):
        follower.look()
    after = conn.execute(text("SELECT * FROM schedules")).one()
    assert (after.id, after.stop_reason, after.owner_key == row.owner_key) == (row.id, None, False)


@pytest.fixture
def newer(client: TestClient, catalog: Path, tmp_path: Path) -> Path:
    """The catalog of the next release, beside the one that is there."""
    return Path(shutil.copytree(catalog, tmp_path / "newer"))


def a_follower(client: TestClient, catalog: Path) -> Follower:
    """An API that starts with that catalog."""
    return Follower(client.app.state.parts, catalog)  # type: ignore[attr-defined]


def rows(conn: Connection) -> dict[str, tuple[str, str | None]]:
    """Of each file, the cron expression that is in force and why it stopped."""
    return {
        row.file: (row.cron, row.stop_reason)
        for row in conn.execute(text("SELECT file, cron, stop_reason FROM schedules ORDER BY file"))
    }


def nobody_has(conn: Connection, file: str) -> None:
    """No API has had that file, as it is in force, for three minutes."""
    gone = text("UPDATE schedules SET file_seen_at = file_seen_at - make_interval(secs => :s) WHERE file = :file")
    conn.execute(gone, {"s": HELD_S, "file": file})


def minute(follower: Follower) -> None:
    """A minute of looks."""
    for _ in range(12):
        follower.look()


def test_an_older_api_that_restarts_during_a_deployment_takes_nothing_from_the_newer_one(
    client: TestClient, conn: Connection, catalog: Path, newer: Path
) -> None:
    api_keys.create_key(conn, tenant="acme", name="nightly", scopes=USUAL)
    (catalog / FOLDER / "daily.toml").write_text(FILE)
    (newer / FOLDER / "daily.toml").write_text(FILE.replace("0 7", "0 9"))
    (newer / FOLDER / "more.toml").write_text(FILE)
    old = a_follower(client, catalog)
    old.look()
    new = a_follower(client, newer)
    new.look()
    # What is new is there at once. What differs waits for the end of the deployment.
    assert rows(conn) == {"daily": ("0 7 * * *", None), "more": ("0 7 * * *", None)}
    for _ in range(2):
        a_follower(client, catalog).look()
        minute(new)
        assert rows(conn) == {"daily": ("0 7 * * *", None), "more": ("0 7 * * *", None)}
    nobody_has(conn, "daily")
    minute(new)
    a_follower(client, catalog).look()
    assert rows(conn) == {"daily": ("0 9 * * *", None), "more": ("0 7 * * *", None)}


def test_after_a_roll_back_what_is_gone_stops_and_keeps_its_history_until_its_file_is_there_again(
    client: TestClient, conn: Connection, catalog: Path, newer: Path
) -> None:
    api_keys.create_key(conn, tenant="acme", name="nightly", scopes=USUAL)
    client.headers["Authorization"] = f"Bearer {api_keys.create_key(conn, tenant='acme', name='admin', scopes=OWN)}"
    (catalog / FOLDER / "daily.toml").write_text(FILE)
    (newer / FOLDER / "daily.toml").write_text(FILE.replace("0 7", "0 9"))
    (newer / FOLDER / "more.toml").write_text(FILE)
    a_follower(client, newer).look()
    [more] = [one for one in client.get("/v1/schedules").json()["schedules"] if one["file"] == "more"]
    own = more["links"]["self"]
    client.post(f"{own}:run", headers={"Idempotency-Key": "1"})
    nobody_has(conn, "daily")
    nobody_has(conn, "more")
    old = a_follower(client, catalog)
    old.look()
    assert rows(conn) == {"daily": ("0 7 * * *", None), "more": ("0 7 * * *", "file_gone")}
    stopped = client.get(own).json()
    assert (stopped["state"], stopped["stopReason"], stopped["coming"]) == ("stopped", "file_gone", [])
    assert "_schedules/more.toml" in problem(client.post(f"{own}:resume"), 409, "schedule_in_file")["detail"]

    a_follower(client, newer).look()
    assert rows(conn) == {"daily": ("0 7 * * *", None), "more": ("0 7 * * *", None)}
    again = client.get(own).json()
    assert (again["state"], again["scheduleId"], again["owner"]) == ("active", more["scheduleId"], "nightly")
    assert client.get(f"{own}/ticks").json()["ticks"][0]["cause"] == "run"

    # Once no file brings it back, whoever may delete schedules may delete it.
    nobody_has(conn, "more")
    minute(old)
    assert client.delete(own).status_code == 204
    assert list(rows(conn)) == ["daily"]


def test_one_wrong_file_keeps_no_other_from_being_taken(
    client: TestClient, conn: Connection, catalog: Path, follower: Follower, caplog: pytest.LogCaptureFixture
) -> None:
    api_keys.create_key(conn, tenant="acme", name="nightly", scopes=USUAL)
    api_keys.create_key(conn, tenant="acme", name="reader", scopes=["jobs:read"])
    folder = catalog / FOLDER
    (folder / "a.toml").write_text(FILE)
    looks(follower)
    (folder / "a.toml").write_text(FILE + "nonsense = 1\n")
    (folder / "b.toml").write_text(FILE.replace("7\n", "99\n"))
    (folder / "c.toml").write_text(FILE.replace("acme", "nobody"))
    (folder / "d.toml").write_text(FILE.replace("nightly", "reader"))
    (folder / "e.toml").write_text(FILE)
    looks(follower)
    assert {one: cron for one, (cron, _) in rows(conn).items()} == {"a": "0 7 * * *", "e": "0 7 * * *"}
    told = [vars(one) for one in caplog.records if one.name == "services.api.schedule_files"]
    assert [(one["file"], one["msg"] % one["args"]) for one in told] == [
        ("a", "schedule_file.wrong"), ("b", "schedule_file.wrong"), ("c", "schedule_file.no_owner"),
        ("d", "schedule_file.wrong"),
    ]  # fmt: skip
    assert (refused("wrong"), refused("no_owner")) == (3, 1)
    assert "lacks the scope jobs:create" in told[-1]["problem"]
    # Told once, and true at each look; and what is wrong keeps what is there from being taken for gone.
    nobody_has(conn, "a")
    minute(follower)
    assert len([one for one in caplog.records if one.name == "services.api.schedule_files"]) == len(told)
    assert (refused("wrong"), refused("no_owner")) == (3, 1)
    assert rows(conn)["a"] == ("0 7 * * *", None)
    parts = client.app.state.parts  # type: ignore[attr-defined]
    nobody_has(conn, "a")
    asked = to_do(known(conn), read_schedule_files(catalog, parts.catalog.types), ())
    assert [one.schedule.file for one in asked.stop] == []
    for name in ("b", "c"):
        (folder / f"{name}.toml").unlink()
    looks(follower)
    assert (refused("wrong"), refused("no_owner")) == (2, 0)


def test_a_file_of_another_tenant_is_another_schedule(
    client: TestClient, conn: Connection, catalog: Path, follower: Follower
) -> None:
    for tenant in ("acme", "bar"):
        api_keys.create_key(conn, tenant=tenant, name="nightly", scopes=USUAL)
    file = catalog / FOLDER / "daily.toml"
    file.write_text(FILE)
    looks(follower)
    file.write_text(FILE.replace("acme", "bar"))
    looks(follower)
    nobody_has(conn, "daily")
    conn.execute(text("UPDATE schedules SET file_seen_at = clock_timestamp() WHERE tenant = 'bar'"))
    minute(follower)
    found = conn.execute(text("SELECT tenant, stop_reason FROM schedules ORDER BY tenant")).all()
    assert [tuple(one) for one in found] == [("acme", "file_gone"), ("bar", None)]
