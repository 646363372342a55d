"""A user cancels many reports: counts them, reconsiders, and watches."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect
from sqlalchemy.engine import Connection, Engine

from services.api.console.texts import texts
from services.relay.bulk import BulkActions
from tests.browser.conftest import Reader
from tests.support.jobs import a_job, row

Readers = Callable[..., Reader]


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_all_reports_of_a_filter_are_counted_cancelled_and_watched(
    reader: Readers, conn: Connection, engine: Engine, scripts: bool
) -> None:
    jobs = [a_job(conn, tenant="default", report_type="flights-export") for _ in range(3)]
    relay, say = BulkActions(engine, pause_s=0, most=2), texts("en")
    page = reader(java_script_enabled=scripts).goto("/jobs?status=PENDING")

    page.get_by_role("button", name=say("bulk.offer.cancel")).click()
    expect(page.get_by_text(say("bulk.exactly", count=3, number="3"))).to_be_visible()
    if scripts:
        expect(page.get_by_role("link", name=say("bulk.leave"))).to_be_focused()
    assert {row(conn, job_id).status for job_id in jobs} == {"PENDING"}
    page.get_by_label(say("bulk.reason")).fill("asked for by mistake")
    page.get_by_role("button", name=say("bulk.do.cancel", count=3, number="3")).click()
    expect(page.get_by_text(say("bulk.status.RUNNING"))).to_be_visible()
    assert relay.run_once() == 1
    if not scripts:
        page.reload()
    expect(
        page.get_by_text(say("bulk.handled", count=2, number="2"))
    ).to_be_visible()  # with scripts it comes by itself
    assert relay.run_once() == 1
    if not scripts:
        page.reload()
    expect(page.get_by_text(say("bulk.did.cancelled", number="3"))).to_be_visible()
    expect(page.get_by_text("asked for by mistake")).to_be_visible()
    assert {row(conn, job_id).status for job_id in jobs} == {"CANCELLED"}
    page.get_by_role("link", name=say("bulk.jobs")).click()
    expect(page.locator("tr[id^='job-']")).to_have_count(3)


def test_who_thinks_twice_leaves_everything_as_it_was(reader: Readers, conn: Connection) -> None:
    job_id = a_job(conn, tenant="default", report_type="flights-export")
    page, say = reader().goto("/jobs?status=PENDING"), texts("en")

    page.get_by_role("button", name=say("bulk.offer.delete")).click()
    expect(page.get_by_text(say("bulk.would.refused", count=1, number="1"))).to_be_visible()
    page.keyboard.press("Enter")  # on what has the focus

    page.wait_for_url("**/console/jobs?status=PENDING*")
    assert row(conn, job_id).status == "PENDING"
