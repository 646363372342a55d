"""Pages update without disturbing their reader: what is visible changes, but nothing the reader is working on."""

import contextlib
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

from playwright.sync_api import Page, Route, expect
from sqlalchemy.engine import Connection

from services.api.console.texts import texts
from shared.jobs.cancel import cancel
from shared.jobs.viewer import Viewer
from tests.browser.conftest import Reader
from tests.support.api_app import finished
from tests.support.jobs import a_job, started

Readers = Callable[..., Reader]
say = texts("en")
LONG_MS = 60_000
"""A minute of the page's own clock, which passes at once: several turns of everything that repeats."""


def waiting(conn: Connection) -> UUID:
    return a_job(conn, tenant="default", report_type="flights-export")


def requests_of(page: Page) -> list[str]:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    return asked


def state(page: Page, job_id: UUID) -> str:
    return str(page.locator(f"#job-{job_id} .status").inner_text())


def test_a_job_is_followed_by_one_stream_until_its_end(reader: Readers, conn: Connection, scratch: Path) -> None:
    job_id, page = waiting(conn), reader().page
    asked = requests_of(page)
    page.goto(f"{reader().root}/console/jobs/{job_id}")
    expect(page.get_by_text(say("status.PENDING")).first).to_be_visible()
    started_at = page.locator("#job h1").element_handle()
    for record in ("#deliveries", "#audit"):
        expect(page.locator(record)).to_have_count(1)

    with contextlib.ExitStack() as told:
        for record in ("manifest", "deliveries", "audit"):
            told.enter_context(page.expect_request(f"**/console/jobs/{job_id}/{record}/part"))
        finished(conn, str(job_id), scratch)

    expect(page.get_by_role("link", name="calendar.csv")).to_be_visible()
    expect(page.locator("#job .heading .status")).to_have_text(say("status.SUCCESS"))
    assert started_at.evaluate("it => it.isConnected"), "what has not changed is left where it is"
    of_job = Counter(url.partition(str(job_id))[2] for url in asked if f"/jobs/{job_id}" in url)
    once, again = ("", "/stream", "/earlier", "/manifest/part"), ("/deliveries/part", "/audit/part")
    assert of_job == {**dict.fromkeys(once, 1), **dict.fromkeys(again, 2)}


def test_rows_that_are_not_final_change_where_they_are(reader: Readers, conn: Connection, scratch: Path) -> None:
    ends, stays = waiting(conn), waiting(conn)
    for path in ("", "/jobs"):
        page = reader().goto(path)
        assert (state(page, stays), page.locator("tr[data-job]").count()) == (say("status.PENDING"), 2)
    finished(conn, str(ends), scratch)

    expect(page.locator(f"#job-{ends} .status")).to_have_text(say("status.SUCCESS"))
    with page.expect_request(re.compile(r"/part/rows\?.*row=")) as following:
        pass
    assert str(ends) not in following.value.url, "what is final is not asked for any more"


def test_new_jobs_are_announced_and_never_pushed(reader: Readers, conn: Connection) -> None:
    waiting(conn)
    page = reader().goto("/jobs")
    waiting(conn)
    a_job(conn, tenant="globex", report_type="flights-export")

    expect(page.locator("#newer")).to_contain_text("1 new")
    expect(page.locator("#newer")).to_have_attribute("aria-live", "polite")
    assert page.locator("tr[data-job]").count() == 1
    page.locator("#newer a").click()
    expect(page.locator("tr[data-job]")).to_have_count(2)


def test_a_page_that_rests_asks_for_nothing(reader: Readers, conn: Connection) -> None:
    job_id = waiting(conn)
    page = reader().page
    page.clock.install()
    for path in ("/jobs", f"/jobs/{job_id}"):
        page.goto(f"{reader().root}/console{path}")
        expect(page.locator("[data-fresh]")).to_contain_text("Updated")
        rests: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
            "the button": (
                lambda: page.get_by_role("button", name=say("live.pause")).click(),
                lambda: page.get_by_role("button", name=say("live.resume")).click(),
            ),
            "its key": (lambda: page.keyboard.press("p"), lambda: page.keyboard.press("p")),
            "a dialog": (lambda: page.keyboard.press("?"), lambda: page.keyboard.press("Escape")),
            "a selection": (
                lambda: page.evaluate("getSelection().selectAllChildren(document.querySelector('h1'))"),
                lambda: page.evaluate("getSelection().removeAllRanges()"),
            ),
        }
        for name, (begin, end) in rests.items():
            begin()
            page.clock.run_for(5_000)
            asked = requests_of(page)
            page.clock.run_for(LONG_MS)
            assert asked == [], (path, name)
            if path != "/jobs" and name in {"a dialog", "a selection"}:
                # A stream is let go when its next beat comes, which the page's clock does not bring about.
                end()
                continue
            with page.expect_response(re.compile("/part/rows|/stream")):
                end()
                page.clock.run_for(5_000)
            # The page's clock flies, and the answer does not: what is under way would seem to take minutes.
            expect(page.locator("#live.htmx-request")).to_have_count(0)


def test_whoever_is_offline_is_told_how_old_the_page_is(reader: Readers, conn: Connection, scratch: Path) -> None:
    job_id = waiting(conn)
    someone = reader(may_miss=True)
    page = someone.goto("/jobs")
    someone.context.set_offline(True)

    expect(page.locator(".freshness")).to_have_class(re.compile("stale"))
    expect(page.locator("[data-fresh]")).to_contain_text(say("live.stale"))
    expect(page.locator("[data-announce]")).to_contain_text(say("live.stale"))
    finished(conn, str(job_id), scratch)
    someone.context.set_offline(False)

    expect(page.locator(f"#job-{job_id} .status")).to_have_text(say("status.SUCCESS"))
    expect(page.locator(".freshness")).not_to_have_class(re.compile("stale"))


def test_two_tabs_tell_the_same(reader: Readers, conn: Connection) -> None:
    job_id = waiting(conn)
    someone = reader()
    first, second = someone.goto(f"/jobs/{job_id}"), someone.context.new_page()
    second.goto(f"{someone.root}/console/jobs")
    cancel(conn, job_id, Viewer("default"))

    expect(first.locator("#job .heading .status")).to_have_text(say("status.CANCELLED"))
    expect(second.locator(f"#job-{job_id} .status")).to_have_text(say("status.CANCELLED"))


def test_a_page_beyond_the_last_place_for_streams_asks_from_time_to_time(
    reader: Readers, conn: Connection, scratch: Path
) -> None:
    job_id = waiting(conn)
    started(conn, job_id)
    page = reader().page
    page.route("**/stream", lambda route: route.continue_(url=route.request.url.replace("/stream", "/part")))
    page.goto(f"{reader().root}/console/jobs/{job_id}")
    with page.expect_request("**/part"):
        pass
    cancel(conn, job_id, Viewer("default"))
    with page.expect_request("**/part"):
        pass


def test_a_stream_opens_however_late_the_scripts_come(reader: Readers, conn: Connection) -> None:
    page, held = reader().page, list[Route]()
    page.route("**/hx-sse.min.js*", lambda route: held.append(route))
    page.goto(f"{reader().root}/console/jobs/{waiting(conn)}", wait_until="commit")
    page.wait_for_function("() => window.htmx")
    page.evaluate("() => new Promise((later) => setTimeout(later))")  # what htmx does as soon as it can is done

    with page.expect_request("**/stream"):
        held[0].continue_()


def test_a_stream_that_is_ended_on_purpose_is_no_fault_of_the_page(reader: Readers) -> None:
    """A busy machine tells of a reader that was being cancelled when its request was aborted."""
    someone = reader(may_miss=True)
    reasons = "new DOMException('BodyStreamBuffer was aborted', 'AbortError')", "new Error('a fault of ours')"
    faults = "".join(f"Promise.reject({reason});" for reason in reasons)
    someone.page.route("**/sign-in.js*", lambda route: route.fulfill(body=faults, content_type="text/javascript"))
    with someone.page.expect_event("pageerror"):
        someone.goto("/jobs")

    assert someone.wrong == ["a fault of ours"]
