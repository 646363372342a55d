"""People ask, watch and fetch; every page is usable by everybody, in each width, theme and language."""

import json
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from sqlalchemy import text
from sqlalchemy.engine import Connection

from services.api.console.texts import texts
from shared.jobs.finish import Failure, fail
from tests.browser.conftest import Reader
from tests.services.test_api import finished
from tests.support.jobs import a_job, row, started

Readers = Callable[..., Reader]
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 375, "height": 812}
LOOKS = [(WIDE, "light", "en"), (NARROW, "dark", "ja"), (NARROW, "light", "ja"), (WIDE, "dark", "en")]
"""Widths, themes and languages, so that each pair of values meets within four pages."""
WCAG = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
ASKED = {"from": "2013-01-01", "to": "2013-12-31", "origin": None, "carriers": ["UA", "DL", "長い名前の航空会社" * 3]}


def jobs_in_every_state(conn: Connection, scratch: Path) -> dict[str, UUID]:
    """A job per state, as a busy installation has them."""
    made = {
        name: a_job(conn, tenant="default", report_type="flights-export", parameters=ASKED)
        for name in ("waits", "cancelled")
    }
    made |= {name: a_job(conn, tenant="default", report_type="carrier-delays") for name in ("runs", "done", "failed")}
    conn.execute(text("UPDATE jobs SET cancel_requested_at = now() WHERE id = :id"), {"id": made["cancelled"]})
    lease = started(conn, made["failed"]).lease
    message = "the query was cancelled after 600 s: " + "SELECT_a_very_long_name_without_any_space" * 6
    fail(conn, [Failure(lease, "timeout", message, retryable=False, delay_s=0, hint="Ask for fewer days.")])
    started(conn, made["runs"])
    progress = {"phase": "writing xlsx", "rows": 1_234_567, "percent": 42.0, "total_rows": 2_900_000, "eta_s": 71.5}
    conn.execute(
        text("UPDATE jobs SET progress = CAST(:progress AS jsonb) WHERE id = :id"),
        {"progress": json.dumps(progress), "id": made["runs"]},
    )
    finished(conn, str(made["done"]), scratch)
    return made


def usable(page: Page, where: str) -> None:
    """No barrier that axe finds, and nothing that must be scrolled sideways."""
    found = Axe().run(page, options=WCAG)
    assert found.violations_count == 0, f"{where}: {found.generate_report()}"
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, f"{where} is too wide"


def test_every_page_is_usable_in_every_look(reader: Readers, conn: Connection, scratch: Path) -> None:
    readers = [reader(viewport=width, color_scheme=theme, locale=language) for width, theme, language in LOOKS]
    for each, (_, _, language) in zip(readers, LOOKS, strict=True):
        usable(each.goto(""), f"no jobs {language}")
    made = jobs_in_every_state(conn, scratch)
    paths = ["", "/new", "/new/flights-export", "/new/carrier-delays", "/report-types", "/report-types/carrier-delays",
             "/nothing", *(f"/jobs/{job_id}" for job_id in made.values())]  # fmt: skip
    for n, path in enumerate(paths):
        for m in (n, n + 1):
            page = readers[m % len(readers)].goto(path)
            expect(page.locator("html")).to_have_attribute("lang", LOOKS[m % len(readers)][2])
            usable(page, f"{path} {LOOKS[m % len(readers)]}")


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


def test_a_report_is_cancelled_and_asked_for_with_changes(reader: Readers, conn: Connection) -> None:
    job_id = a_job(conn, tenant="default", report_type="flights-export", parameters=ASKED | {"carriers": ["UA"]})
    page, say = reader().goto(f"/jobs/{job_id}"), texts("en")

    page.get_by_role("button", name=say("job.cancel")).click()
    expect(page.get_by_text(say("status.CANCELLED")).first).to_be_visible()
    page.get_by_role("link", name=say("job.change")).click()
    page.get_by_label("Carriers").fill("DL")
    page.get_by_role("button", name=say("new.ask")).click()
    page.wait_for_url("**/console/jobs/*")

    new = UUID(page.url.rpartition("/")[2])
    assert row(conn, job_id).status == "CANCELLED"
    assert row(conn, new).parameters["carriers"] == ["DL"]


def test_a_paused_page_asks_for_nothing_until_it_is_resumed(reader: Readers, conn: Connection) -> None:
    a_job(conn, tenant="default", report_type="flights-export")
    page, say = reader().goto(""), texts("en")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with page.expect_request("**/part/rows"):
        pass
    page.get_by_role("button", name=say("live.pause")).click()
    asked.clear()
    page.evaluate("Promise.all([...Array(60)].map(() => new Promise(requestAnimationFrame)))")
    expect(page.get_by_role("button", name=say("live.resume"))).to_have_attribute("aria-pressed", "true")
    page.evaluate("for (let n = 0; n < 3; n++) document.querySelector('#rows').dispatchEvent(new Event('every'))")
    assert asked == []
    with page.expect_request("**/part/rows"):
        page.get_by_role("button", name=say("live.resume")).click()


def test_language_and_theme_are_chosen_and_kept(reader: Readers) -> None:
    page = reader().goto("/new")

    page.get_by_label("Language").select_option("ja")
    page.get_by_label("Theme").select_option("dark")
    page.get_by_role("button", name="Apply").click()

    expect(page.locator("html")).to_have_attribute("lang", "ja")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.url.endswith("/console/new")
