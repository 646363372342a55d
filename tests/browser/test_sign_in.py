"""Signing in with a link that works once."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy.engine import Connection

from services.api.console.texts import texts
from shared.access import api_keys, sign_in_codes
from shared.access.key_text import read_key
from tests.browser.conftest import SAMPLE, Reader
from tests.support.api_server import ApiServer, serving


@pytest.fixture
def closed(database_url: str, scratch: Path) -> Iterator[ApiServer]:
    """A console that asks for keys."""
    with serving(database_url, scratch, CATALOG_PATH=str(SAMPLE), API_AUTH="keys") as server:
        yield server


def a_code(conn: Connection) -> str:
    """A code that signs ann in."""
    key = read_key(api_keys.create_key(conn, tenant="acme", name="ann"))
    code = sign_in_codes.new_code()
    sign_in_codes.create(conn, code, tenant="acme", key_id=key.id)
    return code.text


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
@pytest.mark.parametrize("language", ["en", "ja"])
def test_a_link_signs_in_with_one_click_and_once(
    browser: Browser, closed: ApiServer, conn: Connection, scripts: bool, language: str,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    code, say = a_code(conn), texts(language)
    root = closed.url.replace("127.0.0.1", "localhost")
    link = f"{root}/console/sign-in?next=/console/report-types#code={code}"
    asked: list[str] = []

    def opened() -> Reader:
        reader = Reader(browser.new_context(locale=language, java_script_enabled=scripts), root)
        reader.page.on("request", lambda request: asked.append(request.url))
        reader.page.goto(link)
        if scripts:
            expect(reader.page.get_by_role("status")).to_have_text(say("sign_in.linked"))
            assert "#" not in reader.page.url
            expect(reader.page.get_by_role("button", name=say("sign_in.do"))).to_be_focused()
        else:
            reader.page.get_by_label(say("sign_in.key")).fill(code)
        assert conn.exec_driver_sql("SELECT count(*) FROM console_sessions").scalar_one() == signed_in
        reader.page.get_by_role("button", name=say("sign_in.do")).click()
        return reader

    signed_in = 0
    first = opened()
    first.page.wait_for_url(f"{root}/console/report-types")
    expect(first.page.locator("form.who")).to_contain_text("ann")
    signed_in = 1
    second = opened()
    expect(second.page.get_by_role("alert")).to_be_visible()
    expect(second.page.locator("form.who")).to_have_count(0)

    assert conn.exec_driver_sql("SELECT count(*) FROM console_sessions").scalar_one() == 1
    assert not [url for url in asked if code in url.partition("#")[0]]
    assert code not in caplog.text
    assert (first.wrong, second.wrong) == ([], [])
    first.context.close()
    second.context.close()


def test_a_link_that_somebody_signed_in_opens_stays_unused_and_leaves_the_address(
    browser: Browser, closed: ApiServer, conn: Connection
) -> None:
    root = closed.url.replace("127.0.0.1", "localhost")
    reader = Reader(browser.new_context(), root)
    page = reader.goto(f"/sign-in#code={a_code(conn)}")
    page.locator("form.ask button.primary").click()
    page.wait_for_url(f"{root}/console")

    reader.goto(f"/sign-in#code={a_code(conn)}")

    expect(page.locator("form.who")).to_contain_text("ann")
    page.wait_for_url(f"{root}/console")
    assert conn.exec_driver_sql("SELECT count(*) FROM sign_in_codes").scalar_one() == 1
    assert reader.wrong == []
    reader.context.close()


def test_a_form_whose_session_had_ended_is_filled_in_again_for_the_same_person_only(
    browser: Browser, closed: ApiServer, conn: Connection
) -> None:
    root, say = closed.url.replace("127.0.0.1", "localhost"), texts("en")
    keys = {name: api_keys.create_key(conn, tenant="acme", name=name) for name in ("ann", "ben")}
    reader = Reader(browser.new_context(locale="en-GB"), root)
    page = reader.page

    def sign_in(who: str) -> None:
        page.locator("#key").fill(keys[who])
        page.locator("form.ask button.primary").click()

    for who, is_back in (("ann", True), ("ben", False)):
        reader.goto("/sign-in")
        sign_in("ann")
        reader.goto("/new/flights-export")
        page.get_by_label("Last day of departure").fill("2013-02-03")
        reader.context.clear_cookies()
        page.locator("#ask button.primary").click()
        expect(page.get_by_text(say("sign_in.not_done"))).to_be_visible()
        sign_in(who)
        page.wait_for_url("**/console/new/flights-export")
        expect(page.locator("form.who")).to_contain_text(who)
        expect(page.get_by_text(say("page.draft"))).to_be_visible(visible=is_back)
        expect(page.get_by_label("Last day of departure")).to_have_value("2013-02-03" if is_back else "")
        reader.context.clear_cookies()
    assert conn.exec_driver_sql("SELECT count(*) FROM jobs").scalar_one() == 0
    reader.context.close()
