"""People request, watch and download reports."""

import re
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from playwright.sync_api import expect
from sqlalchemy import text
from sqlalchemy.engine import Connection

from services.api.console.texts import texts
from tests.browser.conftest import Reader
from tests.support.api_app import finished
from tests.support.jobs import a_job, row

Readers = Callable[..., Reader]
ASKED = {"from": "2013-01-01", "to": "2013-12-31", "origin": None, "carriers": ["UA"]}


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_a_report_is_asked_for_watched_and_fetched(
    reader: Readers, conn: Connection, scratch: Path, scripts: bool
) -> None:
    page = reader(java_script_enabled=scripts, accept_downloads=True).goto("")
    say = texts("en")
    page.get_by_role("link", name=say("nav.new")).first.click()
    page.get_by_role("heading", name=say("new.choose")).wait_for()
    page.locator("a[href$='/new/flights-export']").click()
    page.get_by_label("First day of departure").fill("2013-01-01")
    page.get_by_label("Carriers").fill("UA\nmuch too long")
    page.get_by_role("button", name=say("new.ask")).click()
    expect(page.get_by_label("Carriers")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Carriers")).to_have_value("UA\nmuch too long")
    page.get_by_label("Carriers").fill("UA")
    page.get_by_role("button", name=say("new.ask")).click()
    page.wait_for_url("**/console/jobs/*")
    expect(page.get_by_text(say("status.PENDING")).first).to_be_visible()
    job_id = page.url.rpartition("/")[2]

    finished(conn, job_id, scratch)

    if not scripts:
        page.reload()
    with page.expect_download() as coming:  # with scripts the link comes by itself
        page.get_by_role("link", name="calendar.csv").click()
    assert Path(coming.value.path()).read_text() == "day\n2026-01-01\n"
    assert conn.execute(text("SELECT count(*) FROM jobs")).scalar_one() == 1


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_a_report_is_cancelled_and_asked_for_with_changes(reader: Readers, conn: Connection, scripts: bool) -> None:
    job_id = a_job(conn, tenant="default", report_type="flights-export", parameters=ASKED)
    page, say = reader(java_script_enabled=scripts).goto(f"/jobs/{job_id}"), texts("en")

    page.get_by_role("link", name=say("job.cancel"), exact=True).click()
    asks = page.locator("dialog[open]" if scripts else "main")
    expect(asks.get_by_text(say("confirm.cancel.waiting"))).to_be_visible()
    if scripts:
        expect(asks.get_by_role("button", name=say("confirm.cancel.safe"))).to_be_focused()
    assert row(conn, job_id).status == "PENDING"
    asks.get_by_role("button", name=say("confirm.cancel.do")).click()
    expect(page.get_by_text(say("status.CANCELLED")).first).to_be_visible()
    page.get_by_role("link", name=say("job.change")).click()
    page.get_by_label("Carriers").fill("DL")
    page.get_by_role("button", name=say("new.ask")).click()
    page.wait_for_url(re.compile(rf"/console/jobs/(?!{job_id})"))

    new = UUID(page.url.rpartition("/")[2])
    assert row(conn, job_id).status == "CANCELLED"
    assert row(conn, new).parameters["carriers"] == ["DL"]


def test_language_and_theme_are_chosen_and_kept(reader: Readers) -> None:
    page = reader().goto("/new")

    page.get_by_label("Language").select_option("ja")
    page.get_by_label("Theme").select_option("dark")
    page.get_by_role("button", name="Apply").click()

    expect(page.locator("html")).to_have_attribute("lang", "ja")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.url.endswith("/console/new")


def test_the_form_tells_what_it_would_make_as_it_is_filled_in(reader: Readers, conn: Connection) -> None:
    page, say = reader().goto("/new/flights-export"), texts("en")
    estimate = page.locator("#estimate")
    expect(estimate.get_by_text(say("estimate.first"))).to_be_visible()
    estimate.get_by_text(say("written.python")).click()

    page.get_by_label("Carriers").fill("UA")
    page.locator("[data-fills='p.from']").get_by_role("button", name=say("fill.yesterday")).click()

    expect(estimate.locator("pre", has_text="todoke.jobs.create(")).to_contain_text("'carriers': ['UA']")
    expect(estimate.locator("pre", has_text="todoke.jobs.create(")).to_be_visible()
    expect(page.get_by_label("First day of departure")).to_have_value(re.compile(r"^20\d\d-\d\d-\d\d$"))
    expect(estimate.get_by_text(say("estimate.unfinished"))).to_be_visible()
    assert conn.execute(text("SELECT count(*) FROM jobs")).scalar_one() == 0
