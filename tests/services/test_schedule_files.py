"""The schedules of the catalog's files: there as they are written, changed and removed with them, and only so."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event, text
from sqlalchemy.engine import Connection

from services.api.schedule_files import Follower
from shared.access import api_keys
from shared.access.scopes import OWN, USUAL
from shared.catalog.load import BUILTIN
from shared.database.statements import statement_name
from shared.schedules.files import FOLDER
from tests.support.api_app import an_app, problem
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


@pytest.fixture
def follower(client: TestClient, catalog: Path) -> Follower:
    return Follower(client.app.state.parts, catalog)  # type: ignore[attr-defined]


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
    problem(client.get(own), 404, "unknown_schedule")
    trail = conn.execute(text("SELECT action, subject FROM audit ORDER BY id")).all()
    assert [one.action for one in trail if one.subject == "catalog"] == [
        "schedules.create", "schedules.update", "schedules.delete",
    ]  # fmt: skip


def test_while_all_is_as_the_files_have_it_nothing_is_locked_or_written(
    client: TestClient, conn: Connection, catalog: Path, follower: Follower
) -> None:
    asked: list[str] = []
    engine = client.app.state.parts.engine  # type: ignore[attr-defined]
    event.listen(engine, "before_cursor_execute", lambda _c, _cur, sql, *_: asked.append(statement_name(sql)))
    looks(follower)
    assert set(asked) == {"schedules.files_there"}
    api_keys.create_key(conn, tenant="acme", name="nightly", scopes=USUAL)
    (catalog / FOLDER / "daily.toml").write_text(FILE)
    looks(follower)
    assert "schedules.of_files" in asked
    asked.clear()
    Follower(client.app.state.parts, catalog).look()  # type: ignore[attr-defined]
    for _ in range(13):
        follower.look()
    assert set(asked) == {"schedules.files_there"}


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
