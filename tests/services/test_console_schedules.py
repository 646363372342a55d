"""Schedules in the console: looked at, made by a form, changed, paused, run, filled up and deleted."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

from services.api.console.texts import texts
from services.relay.schedules import Schedules
from shared.catalog.load import BUILTIN, load_catalog
from shared.schedules.schedule import Owner
from tests.services.test_console import OTHER_SITE, looked_at
from tests.support.api_app import an_app
from tests.support.jobs import count
from tests.support.schedules import a_schedule, hours_pass, jobs_of, schedule

FORM: dict[str, Any] = {
    "name": "Calendar on Mondays", "kind": "week", "weekday": "1", "time": "07:00", "day": "1", "zone": "Asia/Tokyo",
    "p.from": "start_of_last_month", "p.to": "end_of_last_month", "misfire": "run_once", "overlap": "skip",
}  # fmt: skip
NOTHING = {"proof": ""}


@pytest.fixture
def client(database_url: str, scratch: Path) -> Iterator[TestClient]:
    with TestClient(an_app(database_url, scratch), raise_server_exceptions=False, follow_redirects=False) as client:
        yield client


@pytest.fixture
def relay(engine: Engine) -> Schedules:
    return Schedules(engine, load_catalog(BUILTIN))


def made(client: TestClient, **changes: Any) -> str:
    answer = client.post("/console/schedules/new/calendar", data={**FORM, **changes})
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def asked(conn: Connection, place: str) -> Any:
    return schedule(conn, UUID(place.rpartition("/")[2]))


@pytest.mark.parametrize(
    ("form", "cron"),
    [
        ({"kind": "day"}, "0 7 * * *"),
        ({"kind": "workdays", "time": "18:30"}, "30 18 * * 1-5"),
        ({"kind": "week", "weekday": "0"}, "0 7 * * 0"),
        ({"kind": "month", "day": "L"}, "0 7 L * *"),
        ({"kind": "cron", "cron": "*/30 9-17 * * MON-FRI"}, "*/30 9-17 * * MON-FRI"),
        ({"kind": "every", "minutes": "120"}, None),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_the_form_writes_cron_and_says_it_again_when_it_is_opened(
    form: dict[str, str], cron: str | None, client: TestClient, conn: Connection
) -> None:
    place = made(client, **form)
    row = asked(conn, place)

    assert (row.cron, row.every_s) == (cron, None if cron else 7200)
    assert row.parameters == {"from": "start_of_last_month", "to": "end_of_last_month"}
    opened = client.get(f"{place}/edit").text
    for name, value in {**form, "p.from": "start_of_last_month", "zone": "Asia/Tokyo"}.items():
        text = re.escape(value)
        shown = rf'value="{text}"[^>]* (?:checked|selected)|name="{re.escape(name)}"[^>]*value="{text}"'
        assert re.search(shown, opened), name
    unchanged = client.post(f"{place}/edit", data={**FORM, **form, "version": str(row.version)})
    assert unchanged.headers["location"] == place
    assert asked(conn, place).cron == cron


@pytest.mark.parametrize("language", ["en", "ja"])
def test_a_schedule_is_listed_and_shown_in_words_with_what_became_of_its_ticks(
    client: TestClient, conn: Connection, relay: Schedules, language: str
) -> None:
    say, headers = texts(language), {"Accept-Language": language}
    assert say("schedules.none") in client.get("/console/schedules", headers=headers).text
    schedule_id = a_schedule(conn, tenant="default", name="Every hour")
    assert relay.run_once() == 1
    hours_pass(conn, schedule_id, 1)
    assert relay.run_once() == 1
    [job] = jobs_of(conn, schedule_id)

    listed = client.get("/console/schedules", headers=headers)
    shown = client.get(f"/console/schedules/{schedule_id}", headers=headers)

    for page in (listed, shown):
        assert page.status_code == 200, page.text
        assert looked_at(page.text).inline == []
        assert looked_at(page.text).tags.count("h1") == 1
        assert {"en": "every hour", "ja": "毎時"}[language] in page.text
        assert f'href="/console/jobs/{job.id}"' in page.text
        assert say("schedule_reason.overlap") in page.text, "why the second was skipped"
    assert say("schedule_state.active") in listed.text


def test_the_coming_ticks_are_told_while_the_form_is_filled_in(client: TestClient, conn: Connection) -> None:
    change = {**FORM, "name": "", "kind": "cron", "cron": "30 2 29 3 *", "zone": "Europe/Berlin"}
    while_typing = client.post("/console/schedules/new/calendar/coming", data=change)

    assert while_typing.status_code == 200
    assert "<html" not in while_typing.text
    assert "at 02:30 on day 29 of the month in March" in while_typing.text
    assert while_typing.text.count("<li>") == 5
    assert "<code>30 2 29 3 *</code>" in while_typing.text

    wrong = client.post("/console/schedules/new/calendar/coming", data={**change, "cron": "61 * * * *"})
    assert (wrong.status_code, "has a wrong minute" in wrong.text) == (200, True)

    without_scripts = client.post("/console/schedules/new/calendar", data={**FORM, "look": "1"})
    assert "at 07:00 on Mondays" in without_scripts.text
    assert "<html" in without_scripts.text
    assert count(conn, "schedules") == 0


def test_a_time_that_the_clocks_skip_is_remarked(client: TestClient) -> None:
    """And days that are all counted within the month are told in words: once that was an error."""
    change = {**FORM, "kind": "cron", "cron": "30 2 * 3 0L", "zone": "Europe/Berlin"}
    page = client.post("/console/schedules/new/calendar/coming", data=change).text
    assert texts("en")("schedule_remark.moved") in page
    assert "at 02:30 on the last Sunday of the month in March" in page


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": ""}, "is required: what people call it"),
        ({"time": "7 o'clock"}, "must be a time such as 07:00"),
        ({"kind": "cron", "cron": "61 7 * * *"}, "has a wrong minute"),
        ({"kind": "every", "minutes": "soon"}, "must be a whole number"),
        ({"zone": "Asia/Tokio"}, "Asia/Tokio"),
        ({"until": "never"}, "until"),
        ({"p.from": "someday"}, "p.from"),
        ({"misfire": "run_all", "misfireMost": "1000"}, "from 1 to 100"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_is_wrong_is_told_and_what_was_entered_stays(
    change: dict[str, str], told: str, client: TestClient, conn: Connection
) -> None:
    answer = client.post("/console/schedules/new/calendar", data={**FORM, "name": "<b>Mine</b>", **change})

    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert told in answer.text.replace("&#39;", "'")
    assert "<b>Mine</b>" not in answer.text
    assert count(conn, "schedules") == 0


def test_cron_with_names_of_days_is_opened_simply_where_it_is_simple(client: TestClient) -> None:
    place = made(client, kind="cron", cron="5 6 * * mon-fri")
    opened = client.get(f"{place}/edit").text
    assert re.search(r'name="kind" value="workdays" checked', opened)
    assert re.search(r'name="time" type="time" value="06:05"', opened)


def test_a_form_that_is_sent_twice_makes_one_schedule(client: TestClient, conn: Connection) -> None:
    assert made(client, key="f-1") == made(client, key="f-1")
    assert count(conn, "schedules") == 1


def test_a_form_that_somebody_overtook_changes_nothing(client: TestClient, conn: Connection) -> None:
    place = made(client)
    late = client.post(f"{place}/edit", data={**FORM, "name": "Mine", "version": "7"})

    assert late.status_code == 412
    assert asked(conn, place).name == "Calendar on Mondays"


def test_what_a_form_leaves_empty_is_taken_away(client: TestClient, conn: Connection) -> None:
    place = made(client, **{"o.labels": "team: finance", "until": "2037-01-01T00:00:00Z"})
    assert asked(conn, place).labels == {"team": "finance"}
    client.post(f"{place}/edit", data={**FORM, "version": str(asked(conn, place).version)})

    assert (asked(conn, place).labels, asked(conn, place).until) == (None, None)


def test_a_schedule_is_paused_resumed_run_and_deleted(client: TestClient, conn: Connection) -> None:
    place = made(client)
    asks = client.get(f"{place}/pause")
    assert "<html" in asks.text, "a page of its own without scripts"
    assert "<html" not in client.get(f"{place}/pause", headers={"HX-Request": "true"}).text

    assert client.post(f"{place}/pause", data={"note": "it <moves>"}).headers["location"] == place
    assert "it &lt;moves&gt;" in client.get(place).text
    assert client.post(f"{place}/resume", data=NOTHING).status_code == 303
    assert asked(conn, place).paused_at is None
    ran = client.post(f"{place}/run", data=NOTHING)
    [job] = jobs_of(conn, asked(conn, place).id)
    assert ran.headers["location"] == f"/console/jobs/{job.id}"
    assert client.post(f"{place}/delete", data=NOTHING).headers["location"] == "/console/schedules"
    assert (count(conn, "schedules"), count(conn, "jobs")) == (0, 1)
    assert client.get(place).status_code == 404


def test_the_page_says_until_when_it_acts_and_offers_what_can_be_done_once_its_file_is_gone(
    client: TestClient, conn: Connection
) -> None:
    place = made(client)
    assert "Permission expires" not in client.get(place).text
    conn.execute(text("UPDATE schedules SET owner_scopes = '{jobs:create}', owner_until = '2031-02-03T00:00:00Z'"))
    page = client.get(place).text
    assert "Permission expires" in page
    assert "2031" in page
    conn.execute(text("UPDATE schedules SET file = 'daily', file_digest = '', file_seen_at = now()"))
    assert f"{place}/delete" not in client.get(place).text
    conn.execute(text("UPDATE schedules SET next_tick = NULL, due_at = NULL, stopped_at = now(), paused_at = now(), "
                      "stop_reason = 'file_gone'"))  # fmt: skip
    page = client.get(place).text
    assert "The catalog file that defines this schedule no longer exists" in page
    assert (f"{place}/delete" in page, f"{place}/resume" in page, "_schedules/daily" in page) == (True, False, False)


def test_ticks_of_the_past_are_filled_up_or_it_is_told_why_not(client: TestClient, conn: Connection) -> None:
    place = made(client, kind="day", zone="UTC")
    wrong = client.post(f"{place}/backfill", data={"from": "2026-01-03T00:00:00Z", "to": "2026-01-01T00:00:00Z"})
    assert (wrong.status_code, "must be later than from" in wrong.text) == (422, True)
    assert 'value="2026-01-03T00:00:00Z"' in wrong.text

    assert client.post(f"{place}/backfill", data={"from": "2026-01-01T00:00:00Z", "to": "2026-01-04T00:00:00Z"})
    assert count(conn, "schedule_ticks WHERE fate = 'waiting'") == 3
    assert client.get(place).text.count(texts("en")("schedule_fate.waiting")) == 3


def test_ticks_of_the_past_are_named_by_the_clocks_of_their_schedule(client: TestClient, conn: Connection) -> None:
    """As a field for date and time gives them."""
    place = made(client, kind="day", time="09:00", zone="Asia/Tokyo")
    assert 'type="datetime-local"' in client.get(f"{place}/backfill").text
    assert texts("en")("schedule_sure.moment_help", zone="Asia/Tokyo") in client.get(f"{place}/backfill").text

    asked = {"from": "2026-01-01T09:00", "to": "2026-01-02T09:00"}
    assert client.post(f"{place}/backfill", data=asked).status_code == 303
    assert count(conn, "schedule_ticks WHERE fate = 'waiting'") == 1
    assert count(conn, "schedule_ticks WHERE fate = 'waiting' AND tick = '2026-01-01T00:00:00Z'") == 1

    wrong = client.post(f"{place}/backfill", data={"from": "2026-02-30T09:00", "to": "2026-03-02T09:00"})
    assert wrong.status_code == 422


def test_pages_of_other_sites_change_nothing(client: TestClient, conn: Connection) -> None:
    place = made(client)
    for action in ("run", "pause", "resume", "backfill", "delete", "edit"):
        assert client.post(f"{place}/{action}", data=FORM, headers=OTHER_SITE).status_code == 403, action
    assert client.post("/console/schedules/new/calendar", data=FORM, headers=OTHER_SITE).status_code == 403
    assert (count(conn, "schedules"), count(conn, "jobs"), asked(conn, place).paused_at) == (1, 0, None)


def test_the_schedule_of_another_tenant_is_not_there(client: TestClient, conn: Connection) -> None:
    theirs = a_schedule(conn, tenant="globex", owner=Owner("eve", None, None), first=timedelta(hours=1))
    for path in ("", "/edit", "/pause", "/delete", "/backfill"):
        assert client.get(f"/console/schedules/{theirs}{path}").status_code == 404, path
    for action in ("run", "pause", "resume", "backfill", "delete", "edit"):
        assert client.post(f"/console/schedules/{theirs}/{action}", data=FORM).status_code == 404, action
    assert str(theirs) not in client.get("/console/schedules").text
    assert client.get("/console/schedules/nonsense").status_code == 404
    assert (count(conn, "schedules"), count(conn, "jobs")) == (1, 0)
