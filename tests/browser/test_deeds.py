"""Actions on single pages other than requests: keep, delete, print, save a view, operate the queues, and sign out."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import text
from sqlalchemy.engine import Connection

from services.api.console.texts import texts
from shared.access import api_keys
from shared.access.scopes import OWN
from tests.browser.conftest import SAMPLE, Reader
from tests.support.api_app import finished
from tests.support.api_server import ApiServer, serving
from tests.support.jobs import a_job, row

Readers = Callable[..., Reader]


def test_files_are_kept_longer_printed_and_deleted_after_a_second_look(
    reader: Readers, conn: Connection, scratch: Path
) -> None:
    job_id, say = a_job(conn, tenant="default", report_type="flights-export"), texts("en")
    finished(conn, str(job_id), scratch)
    page = reader().goto(f"/jobs/{job_id}")
    dialog = page.locator("dialog[open]")

    page.get_by_role("link", name=say("job.keep")).click()
    dialog.get_by_role("button", name=say("confirm.keep.do")).click()
    page.wait_for_url(f"**/console/jobs/{job_id}")
    expect(dialog).to_have_count(0)
    assert row(conn, job_id).keep_artifacts_s > 3600

    page.emulate_media(media="print", color_scheme="dark")
    for theme in ("auto", "dark"):  # paper is white, and browsers leave backgrounds out
        page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        expect(page.locator("h1")).to_have_css("color", "rgb(23, 28, 38)")
    for unseen in ("header.bar", "footer", ".actions", "main [data-action=delete]", "main .offer"):
        expect(page.locator(unseen).first).to_be_hidden()
    for seen in ("h1", "a.download", "#asked", ".timeline"):
        expect(page.locator(f"main {seen}").first).to_be_visible()
    page.emulate_media(media="screen", color_scheme="light")

    page.locator("[data-action=delete]").click()
    safe = dialog.get_by_role("button", name=say("confirm.delete.safe"))
    expect(safe).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert row(conn, job_id).deleted_at is None
    page.locator("[data-action=delete]").click()
    dialog.get_by_role("button", name=say("confirm.delete.do")).click()
    expect(page.get_by_role("status").filter(has_text=say("told.job_deleted"))).to_be_visible()
    assert row(conn, job_id).deleted_at is not None


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_a_view_is_saved_opened_and_deleted_and_a_queue_is_paused(
    reader: Readers, conn: Connection, scripts: bool
) -> None:
    a_job(conn, tenant="default", report_type="flights-export")
    page, say = reader(java_script_enabled=scripts).goto("/jobs?status=FAILED&column=by"), texts("en")
    menu = page.locator("details.views")

    menu.locator("summary").click()
    menu.get_by_label(say("views.name")).fill("What failed")
    menu.get_by_role("button", name=say("views.save")).click()
    expect(page.get_by_text(say("told.view_saved"))).to_be_visible()
    page.get_by_role("link", name=say("nav.jobs"), exact=True).click()
    expect(page.locator("tr[id^='job-']")).to_have_count(1)
    menu.locator("summary").click()
    menu.get_by_role("link", name="What failed").click()
    page.wait_for_url("**/console/jobs?status=FAILED&column=by")
    menu.locator("summary").click()
    expect(menu.get_by_role("link", name="What failed")).to_have_attribute("aria-current", "true")
    menu.get_by_role("button", name=say("views.delete_one", name="What failed")).click()
    expect(page.get_by_text(say("told.view_deleted"))).to_be_visible()

    page.get_by_role("link", name=say("nav.queues")).click()
    page.get_by_text(say("operator.pause_or_cap")).click()
    page.locator("#pause-name").fill("default")
    page.locator("#pause-reason").fill("its source moves")
    page.locator("form[action$='/queues/pause'] button").click()
    expect(page.locator("td", has_text="its source moves")).to_be_visible()
    page.get_by_role("button", name=f"{say('operator.resume')} default").click()
    expect(page.get_by_text(say("operator.resuming"))).to_be_visible()
    page.get_by_role("link", name=say("nav.overview")).click()
    expect(page.get_by_role("heading", name=say("operator.attention"))).to_be_visible()


@pytest.fixture
def closed(database_url: str, scratch: Path) -> Iterator[ApiServer]:
    with serving(database_url, scratch, CATALOG_PATH=str(SAMPLE), API_AUTH="keys") as server:
        yield server


def test_somebody_signs_in_by_a_key_and_out_here_and_elsewhere(
    browser: Browser, closed: ApiServer, conn: Connection
) -> None:
    key, say = api_keys.create_key(conn, tenant="acme", name="ann", scopes=OWN), texts("en")
    job_id = a_job(conn, tenant="acme")
    readers = [Reader(browser.new_context(locale="en"), closed.url.replace("127.0.0.1", "localhost")) for _ in range(2)]
    for each in readers:
        page = each.goto(f"/jobs/{job_id}")
        page.get_by_label(say("sign_in.key")).fill(key)
        page.get_by_role("button", name=say("sign_in.do")).click()
        expect(page.get_by_text(str(job_id)).first).to_be_visible()
    here, there = (each.page for each in readers)

    here.get_by_role("link", name="ann").click()
    here.get_by_role("button", name=say("sessions.end_others")).click()
    expect(here.get_by_text(say("sessions.ended", count=1))).to_be_visible()
    there.reload()
    expect(there.get_by_label(say("sign_in.key"))).to_be_visible()
    here.get_by_role("button", name=say("sign_in.out")).click()
    expect(here.get_by_label(say("sign_in.key"))).to_be_visible()
    here.goto(f"{readers[0].root}/console/jobs/{job_id}")
    expect(here.get_by_label(say("sign_in.key"))).to_be_visible()

    assert conn.execute(text("SELECT count(*) FROM console_sessions")).scalar_one() == 0
    assert [each.wrong for each in readers] == [[], []]
    for each in readers:
        each.context.close()
