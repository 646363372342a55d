"""The scene on a real socket over a real database, and people who view it in Chromium."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import Browser, BrowserContext
from sqlalchemy.engine import Connection

from shared.access import api_keys
from shared.access.scopes import OWN, USUAL
from shared.catalog.load import load_catalog
from shared.database.engine import create_engine
from tests.browser.scene.catalog import write_catalog
from tests.browser.scene.look import put_a_look
from tests.browser.scene.many import many
from tests.browser.scene.operations import operations
from tests.browser.scene.schedules import schedules
from tests.browser.scene.webhooks import webhooks
from tests.browser.scene.week import PEOPLE, TENANT, Week, a_week
from tests.support.api_server import serving
from tests.support.webhooks import secret_keys


class Stage(NamedTuple):
    """Where the scene is shown."""

    url: str
    week: Week
    keys: dict[str, str]
    """API keys by who has them."""

    def context(self, browser: Browser, who: str, **options: Any) -> BrowserContext:
        """A browser window of theirs, signed in."""
        context = browser.new_context(**options)
        if who in self.keys:
            page = context.new_page()
            page.goto(f"{self.url}/console/sign-in")
            page.locator("#key").fill(self.keys[who])
            page.locator("form.ask button.primary").click()
            page.wait_for_url(f"{self.url}/console*")
            page.close()
        return context


@contextlib.contextmanager
def stage(database_url: str, folder: Path) -> Iterator[Stage]:
    """The scene, in an empty database."""
    write_catalog(folder / "catalog")
    types = load_catalog(folder / "catalog").types
    engine = create_engine(database_url, application_name="scene", pool_size=2)
    with engine.connect() as conn:
        week = a_week(conn, {name: [str(each) for each in report.formats] for name, report in types.items()})
        put_a_look(conn, week.done, folder / "files", rows=96, of=96)
        operations(conn, week.done)
        many(conn, TENANT, PEOPLE[0])
        schedules(conn, TENANT, PEOPLE[0])
        webhooks(conn, TENANT, PEOPLE[0], secret_keys(folder), week.done)
        keys = _keys(conn)
    engine.dispose()
    with serving(
        database_url,
        folder / "files",
        API_AUTH="keys",
        CATALOG_PATH=str(folder / "catalog"),
        API_RATE_LIMIT="1000000",
        REPORT_SOURCE_URL=database_url,
        SECRETS_KEY_FILE=str(folder / "secrets.keys"),
    ) as server:
        yield Stage(server.url.replace("127.0.0.1", "localhost"), week, keys)


def _keys(conn: Connection) -> dict[str, str]:
    def made(name: str, scopes: frozenset[str]) -> str:
        return api_keys.create_key(conn, tenant=TENANT, name=name, scopes=scopes)

    return {"mika": made(PEOPLE[0], OWN), "guest": made("guest", USUAL - {"jobs:read_all"})}
