"""Mishaps around a page: the way back, responses that are not fragments, a second click, a clock in another zone."""

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from playwright.sync_api import Route, expect
from sqlalchemy.engine import Connection

from services.api.console.texts import texts
from shared.jobs.cancel import cancel
from shared.jobs.viewer import Viewer
from tests.browser.conftest import Reader
from tests.support.api_app import finished
from tests.support.jobs import a_job

Readers = Callable[..., Reader]
say = texts("en")
A_PAGE = (
    "<!doctype html><html lang=en><title>away</title><body><main id=main><h1>The proxy's own page</h1></main></html>"
)


def waiting(conn: Connection) -> UUID:
    return a_job(conn, tenant="default", report_type="flights-export")


def ended(conn: Connection) -> UUID:
    """What is over is not read again."""
    job_id = waiting(conn)
    cancel(conn, job_id, Viewer("default"))
    return job_id


def away(route: Route) -> None:
    route.fulfill(status=503, content_type="text/html", body=A_PAGE)


@pytest.mark.parametrize("path", ["/jobs", "/jobs/{job}"], ids=["a list", "a job without a stream"])
def test_a_page_that_is_answered_by_an_error_stays_and_comes_back(
    reader: Readers, conn: Connection, scratch: Path, path: str
) -> None:
    job_id, someone = waiting(conn), reader(may_miss=True)
    page = someone.page
    parts = "**/part*" if "{job}" in path else "**/part/*"
    page.route("**/stream", lambda route: route.continue_(url=route.request.url.replace("/stream", "/part")))
    page.route(parts, away)
    someone.goto(path.format(job=job_id))
    place = page.locator("#job .heading .status" if "{job}" in path else f"#job-{job_id} .status")

    expect(page.locator("[data-announce]")).to_contain_text(say("live.stale"))
    expect(page.get_by_text("The proxy's own page")).to_have_count(0)
    expect(place).to_have_text(say("status.PENDING"))
    finished(conn, str(job_id), scratch)
    page.unroute(parts)

    expect(place).to_have_text(say("status.SUCCESS"))


@pytest.mark.parametrize("what", ["the dialog", "the key", "the panel"])
def test_what_cannot_be_put_into_a_page_is_opened_as_one(reader: Readers, conn: Connection, what: str) -> None:
    job_id, someone = waiting(conn), reader(may_miss=True)
    page = someone.goto("/jobs" if what != "the dialog" else f"/jobs/{job_id}")
    page.route(f"**/jobs/{job_id}/panel" if what == "the panel" else f"**/jobs/{job_id}/cancel", away)
    if what == "the key":
        page.locator(f"#job-{job_id} .what a").focus()
        page.keyboard.press("c")
    else:
        page.locator("[data-panel]" if what == "the panel" else "[data-action=cancel]").first.click()

    if what == "the panel":
        page.wait_for_url(f"**/console/jobs?panel={job_id}")
        expect(page.locator("#panel h2")).to_be_visible()
    else:
        page.wait_for_url(f"**/console/jobs/{job_id}/cancel")
        expect(page.get_by_role("heading", name="The proxy's own page")).to_be_visible()


def test_who_is_offline_sees_that_nothing_can_be_asked(reader: Readers, conn: Connection) -> None:
    someone = reader(may_miss=True)
    page = someone.goto(f"/jobs/{waiting(conn)}")
    someone.context.set_offline(True)

    page.locator("[data-action=cancel]").click()

    expect(page).to_have_url("chrome-error://chromewebdata/")


def test_the_row_that_somebody_is_at_stays_so_when_it_is_read_again(reader: Readers, conn: Connection) -> None:
    first, second = waiting(conn), waiting(conn)
    page = reader().goto("/jobs")
    page.keyboard.press("j")
    page.keyboard.press("j")
    row = page.locator(f"#job-{first}")
    expect(row).to_have_class("current")
    row.evaluate("it => it.querySelector('.when time').textContent = 'long ago'")
    with page.expect_response("**/part/rows?*"):
        pass
    expect(row.locator(".when time")).not_to_have_text("long ago")

    expect(row).to_have_class("current")
    page.keyboard.press("k")
    expect(page.locator("tr.current")).to_have_id(f"job-{second}")


def test_who_comes_back_sees_what_is_selected_and_the_filter_of_this_list(reader: Readers, conn: Connection) -> None:
    job_id = waiting(conn)
    page = reader().goto("/jobs")
    page.locator("td.pick input").check()
    page.locator(".states label").first.click()
    expect(page.locator(".states :checked")).to_have_count(1)
    page.locator(f"#job-{job_id} .what a").click()
    page.wait_for_url(f"**/console/jobs/{job_id}")

    page.go_back()

    expect(page.locator("td.pick :checked")).to_have_count(1)
    expect(page.locator("#selection output")).to_have_text(say("jobs.one_selected"))
    expect(page.locator(".states :checked")).to_have_count(0)


def test_who_closes_the_panel_is_back_at_the_row(reader: Readers, conn: Connection) -> None:
    job_id = ended(conn)
    page = reader().goto("/jobs")
    page.locator("[data-panel]").press("Enter")
    page.locator("[data-close-panel]").press("Enter")

    expect(page.locator(f"#job-{job_id} [data-panel]")).to_be_focused()


def test_a_copy_button_clicked_twice_says_again_what_it_does(reader: Readers, conn: Connection) -> None:
    someone = reader()
    someone.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = someone.page
    page.clock.install()
    someone.goto(f"/jobs/{ended(conn)}")
    button = page.locator("[data-copy]").first

    for _ in range(2):
        button.click()
        expect(button).to_have_text(say("page.copied"))
        page.clock.run_for(1_000)
    page.clock.run_for(5_000)

    expect(button).to_have_text(say("page.copy"))


def test_a_clipboard_that_refuses_is_told(reader: Readers, conn: Connection) -> None:
    someone = reader(may_miss=True)
    page = someone.goto(f"/jobs/{ended(conn)}")
    refusal = "Promise.reject(new DOMException('no', 'NotAllowedError'))"
    page.evaluate(f"() => {{ navigator.clipboard.writeText = () => {refusal} }}")

    page.locator("[data-copy]").first.click()

    expect(page.locator("[data-copy]").first).to_have_text(say("page.not_copied"))
    assert someone.wrong == []


def test_a_schedule_is_made_by_the_readers_clocks_unless_they_say_otherwise(reader: Readers) -> None:
    page = reader(timezone_id="Asia/Tokyo").goto("/schedules/new/carrier-delays")

    expect(page.locator("#zone")).to_have_value("Asia/Tokyo")
    expect(page.locator("#coming")).to_contain_text(say("schedules.zone_of", zone="Asia/Tokyo"))
    page.locator("#zone").fill("Europe/Berlin")
    page.locator("#ask button.primary").click()

    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.locator("#zone")).to_have_value("Europe/Berlin")


def test_days_are_counted_and_not_called_tomorrow_or_next_month(reader: Readers, conn: Connection) -> None:
    """Thirty hours from the evening are the day after tomorrow, and thirty days may be this month."""
    ended(conn)
    page = reader().page
    page.clock.install()
    page.goto(f"{reader().root}/console/jobs")
    time = page.locator("tr[data-job] time[data-relative]")

    for hours, words in ((30, "1 day ago"), (31 * 24, "1 month ago"), (400 * 24, "1 year ago")):
        time.evaluate("(it, ms) => { it.dateTime = new Date(Date.now() - ms).toISOString() }", hours * 3_600_000)
        page.clock.run_for(5_000)
        expect(time).to_have_text(words)


def test_a_form_that_did_not_arrive_has_what_was_entered_and_is_the_same_request(
    reader: Readers, conn: Connection
) -> None:
    someone = reader(may_miss=True)
    page = someone.goto("/new/flights-export")
    page.get_by_label("Last day of departure").fill("2013-02-03")
    page.locator("[name=format][value=csv]").check()
    key = page.locator("#ask [name=key]").input_value()
    page.route("**/console/new/flights-export", lambda it: away(it) if it.request.method == "POST" else it.fallback())
    page.locator("#ask button.primary").click()
    expect(page.get_by_role("heading", name="The proxy's own page")).to_be_visible()
    page.unroute("**/console/new/flights-export")

    someone.goto("/new/flights-export")

    expect(page.get_by_label("Last day of departure")).to_have_value("2013-02-03")
    expect(page.locator("[name=format][value=csv]")).to_be_checked()
    expect(page.get_by_text(say("page.draft"))).to_be_visible()
    expect(page.locator("#ask [name=key]")).to_have_value(key)
    page.get_by_label("Last day of departure").fill("2013-02-04")
    expect(page.locator("#ask [name=key]")).not_to_have_value(key)  # another request
    page.locator("#ask button.primary").click()
    page.wait_for_url("**/console/jobs/*")
    assert conn.exec_driver_sql("SELECT parameters ->> 'to' FROM jobs").scalars().all() == ["2013-02-04"]

    someone.goto("/new/flights-export")  # what has arrived is not filled in again
    expect(page.locator("#ask")).to_be_visible()
    expect(page.get_by_text(say("page.draft"))).to_be_hidden()
    expect(page.get_by_label("Last day of departure")).not_to_have_value("2013-02-04")


def test_an_estimate_of_what_was_entered_before_is_not_left_standing(reader: Readers) -> None:
    someone = reader(may_miss=True)
    page = someone.goto("/new/flights-export")
    expect(page.locator("#estimate .figures")).to_be_visible()
    page.route("**/estimate", away)

    page.get_by_label("Last day of departure").fill("2013-02-03")

    expect(page.locator("#estimate")).to_be_empty()
    page.unroute("**/estimate")
    page.get_by_label("Last day of departure").fill("2013-02-04")
    expect(page.locator("#estimate .figures")).to_be_visible()
