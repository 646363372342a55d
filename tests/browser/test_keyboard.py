"""Single-key shortcuts, and turning them off."""

import re
from collections.abc import Callable

from playwright.sync_api import expect
from sqlalchemy.engine import Connection

from services.api.console.texts import texts
from tests.browser.conftest import Reader
from tests.support.jobs import a_job

Readers = Callable[..., Reader]
say = texts("en")


def test_rows_are_walked_looked_at_and_selected_by_keys(reader: Readers, conn: Connection) -> None:
    jobs = [a_job(conn, tenant="default", report_type="flights-export") for _ in range(3)]
    page = reader().goto("/jobs")
    press = page.keyboard.press

    press("j")
    press("j")
    expect(page.locator("tr.current")).to_have_id(f"job-{jobs[1]}")
    press("o")
    expect(page.locator("#panel")).to_contain_text(str(jobs[1]))
    assert page.url.endswith(f"panel={jobs[1]}")
    press("k")
    expect(page.locator("#panel")).to_contain_text(str(jobs[2]))
    press("Escape")
    expect(page.locator("#panel")).to_be_hidden()
    assert "panel" not in page.url
    press("x")
    press("j")
    press("j")
    press("Shift+X")
    expect(page.locator("#selection output")).to_have_text("3 jobs selected")
    press("/")
    expect(page.locator("#filters [name=q]")).to_be_focused()
    page.keyboard.type("jx?")
    expect(page.locator("#filters [name=q]")).to_have_value("jx?")
    page.locator("#filters [name=q]").blur()
    press("Control+j")
    press("Enter")
    page.wait_for_url(f"**/console/jobs/{jobs[0]}")
    page.go_back()
    page.locator(f"#job-{jobs[0]} .what a").focus()
    press("c")
    expect(page.locator("dialog[open]")).to_contain_text(say("confirm.cancel.title"))


def test_a_shared_address_opens_the_same_view(reader: Readers, conn: Connection) -> None:
    job = a_job(conn, tenant="default", report_type="flights-export")
    page = reader(java_script_enabled=False).goto(f"/jobs?status=PENDING&panel={job}")

    expect(page.locator("#panel")).to_contain_text(str(job))
    page.locator(f"#job-{job} [data-panel]").click()
    assert "status=PENDING" in page.url


def test_keys_lead_to_pages_and_are_listed(reader: Readers, conn: Connection) -> None:
    page = reader().goto("")
    for keys, path in (
        ("gj", "/jobs"), ("gs", "/schedules"), ("gw", "/webhooks"), ("go", "/overview"), ("gq", "/queues"),
        ("gt", "/report-types"), ("gr", ""), ("n", "/new"),
    ):  # fmt: skip
        for key in keys:
            page.keyboard.press(key)
        page.wait_for_url(re.compile(f"/console{path}$"))
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    for place in ("jobs", "schedules", "webhooks", "overview", "queues", "types", "reports"):
        expect(page.locator("#keys dd", has_text=say(f"nav.{place}")).first).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()


def test_keys_can_be_switched_off(reader: Readers) -> None:
    page = reader().goto("")
    page.get_by_role("button", name=say("keyboard.title")).click()
    page.get_by_role("button", name=say("keyboard.switch_off")).click()
    expect(page.locator("body")).to_have_attribute("data-keys", "off")

    page.keyboard.press("n")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_hidden()
    assert page.url.endswith("/console")
    page.get_by_role("button", name=say("keyboard.title")).click()
    page.get_by_role("button", name=say("keyboard.switch_on")).click()
    expect(page.locator("body")).to_have_attribute("data-keys", "on")
    page.keyboard.press("n")
    page.wait_for_url("**/console/new")


def test_a_key_that_copies_says_so(reader: Readers, conn: Connection) -> None:
    job = a_job(conn, tenant="default", report_type="flights-export")
    page = reader(permissions=["clipboard-read", "clipboard-write"]).goto("/jobs")

    page.keyboard.press("j")
    page.keyboard.press("y")
    expect(page.locator("[aria-live]", has_text=say("page.copied"))).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").endswith(f"/console/jobs/{job}")


def test_buttons_of_rows_say_what_they_are_for(reader: Readers, conn: Connection) -> None:
    """A list of all links, as screen readers have it, does not say the same ten times."""
    for name in ("flights-export", "carrier-delays"):
        a_job(conn, tenant="default", report_type=name, requester="default")
    window = reader()
    titles = ("Flights", "Delays by carrier and month")

    for path, button in (("/jobs", say("jobs.look")), ("/report-types", say("nav.new"))):
        page = window.goto(path)
        for title in titles:
            expect(page.locator("td.do").get_by_role("link", name=re.compile(f"^{button} {title}"))).to_have_count(1)
