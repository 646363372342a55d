"""Every page of the console in each of its states: the subjects of screenshots and of axe."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from playwright.sync_api import Page

from tests.browser.scene import many
from tests.browser.scene.schedules import PAUSED, STOPPED, WEEKLY
from tests.browser.scene.webhooks import DELIVERED, FAILED, FAILING, GONE, WAITING, WELL
from tests.browser.scene.week import Week


class View(NamedTuple):
    """A page in a state."""

    name: str
    path: str
    """Below `/console`; `{done}` stands for the job of that name in the week."""
    prepare: Callable[[Page], object] | None = None
    """What somebody does there before the picture is taken."""
    who: str = "mika"
    """Who looks: `mika`, who may do everything; `guest`, who has asked for nothing yet; `nobody`, not signed in."""

    def at(self, week: Week) -> str:
        """The path."""
        return self.path.format(**week._asdict())


def _opened(page: Page) -> None:
    for summary in page.locator("main summary").all():
        summary.click()


def _asked_whether(page: Page) -> None:
    page.locator("#parked + p + form [name=id]").first.check()
    page.locator("#parked + p + form [name=reason]").fill("the policy is mended")
    page.locator("#parked + p + form button.danger").click()
    page.locator(".sure").wait_for()


def _named_wrongly(page: Page) -> None:
    page.locator("#gates ~ details > summary").click()
    page.locator("#pause-name").fill("nobody here")
    page.locator("#pause-reason").fill("x")
    page.locator("form[action$='/queues/pause'] button").click()
    page.locator("[role=alert]").wait_for()


def _made(page: Page) -> None:
    page.locator("main summary").first.click()
    page.locator("#name").fill("night-shift")
    page.locator("#scopes input").first.check()
    page.locator("form.ask button.primary").click()
    page.locator("#secret").wait_for()


def _first_key(page: Page) -> None:
    page.locator("td.what a").first.click()
    page.locator("#rotate").wait_for()
    _opened(page)


def _sent(page: Page) -> None:
    page.locator("form.ask button.primary").click()
    page.locator("[role=alert]").wait_for()


def _looked(page: Page) -> None:
    page.locator(".sheet").wait_for()
    page.locator("#deliveries table").wait_for()
    page.locator("#audit table").wait_for()
    page.locator(".record").first.scroll_into_view_if_needed()
    page.locator("#manifest-title").wait_for()
    page.evaluate("scrollTo(0, 0)")


def _asked(action: str) -> Callable[[Page], object]:
    def prepare(page: Page) -> None:
        page.locator(f"main [data-action={action}]").first.click()
        page.locator("#dialog[open]").wait_for()

    return prepare


def _estimated(page: Page) -> None:
    page.locator("details.later summary").click()
    page.locator("#estimate .figures").wait_for()


def _selected(page: Page) -> None:
    for key in "jxjxjx":
        page.keyboard.press(key)


def _typed_wrongly(page: Page) -> None:
    page.locator("#typed").fill("500")
    page.locator("form.ask button.danger").click()
    page.locator("[role=alert]").wait_for()


def _by_cron(page: Page) -> None:
    page.locator("[name=kind][value=cron]").check()
    page.locator("#zone").fill("Europe/Berlin")
    page.locator("#cron").fill("30 2 * 3 0L")
    page.locator("#coming .remark").first.wait_for()


def _shared(page: Page) -> None:
    page.locator("main form button.primary").click()
    page.locator("#secret").wait_for()


def _secret(page: Page) -> None:
    page.locator("[name=hours]").select_option("0")  # each look takes one, and four may sign at a time
    page.locator("form[action$=rotate] button").click()
    page.locator("#secret").wait_for()


VIEWS: Sequence[View] = (
    View("reports", ""),
    View("reports-none", "", who="guest"),
    View("jobs", "/jobs"),
    View("jobs-filtered", "/jobs?createdAfter=-24h&status=FAILED&status=SUCCESS&requester=mika.sato"),
    View("jobs-found-few", "/jobs?errorCode=worker_lost"),
    View("jobs-filtered-away", "/jobs?status=CANCELLED&reportType=payroll-summary"),
    View("jobs-wrong", "/jobs?status=DONE&createdAfter=yesterday&colour=red"),
    View("jobs-panel", "/jobs?panel={failed}"),
    View("jobs-selected", "/jobs", _selected),
    View("keyboard", "/jobs", lambda page: page.keyboard.press("?")),
    View("choose", "/new"),
    View("new-plain", "/new/monthly-sales", _estimated),
    View("new-every-kind", "/new/stock-on-hand", _estimated),
    View("new-from", "/new/general-ledger?from={failed}"),
    View("new-wrong", "/new/invoices", _sent),
    View("job-waits", "/jobs/{waits}"),
    View("job-runs", "/jobs/{runs}"),
    View("job-retries", "/jobs/{retries}"),
    View("job-done", "/jobs/{done}", _looked),
    View("job-rows", "/jobs/{done}/rows"),
    View("job-manifest", "/jobs/{done}/manifest"),
    View("job-cancel", "/jobs/{runs}", _asked("cancel")),
    View("job-delete", "/jobs/{done}", _asked("delete")),
    View("job-keep", "/jobs/{done}/keep"),
    View("job-links", "/jobs/{done}/links"),
    View("job-links-made", "/jobs/{done}/links", _shared),
    View("job-failed", "/jobs/{failed}"),
    View("job-cancelled", "/jobs/{cancelled}"),
    View("job-expired", "/jobs/{expired}"),
    View("many-counted", f"/bulk/{many.FEW}"),
    View("many-typed", f"/bulk/{many.MANY}", _typed_wrongly),
    View("many-run", f"/bulk/{many.RUNS}"),
    View("many-done", f"/bulk/{many.DONE}"),
    View("many-actions", "/bulk"),
    View("schedules", "/schedules"),
    View("schedules-none", "/schedules", who="guest"),
    View("schedule", f"/schedules/{WEEKLY}"),
    View("schedule-paused", f"/schedules/{PAUSED}"),
    View("schedule-stopped", f"/schedules/{STOPPED}"),
    View("schedule-choose", "/schedules/new"),
    View("schedule-new", "/schedules/new/shipment-delays", _by_cron),
    View("schedule-edit", f"/schedules/{WEEKLY}/edit", _opened),
    View("schedule-wrong", "/schedules/new/general-ledger", _sent),
    View("schedule-pause", f"/schedules/{WEEKLY}", _asked("pause")),
    View("schedule-backfill", f"/schedules/{WEEKLY}/backfill"),
    View("schedule-delete", f"/schedules/{WEEKLY}", _asked("delete")),
    View("webhooks", "/webhooks"),
    View("webhook", f"/webhooks/{WELL}"),
    View("webhook-opened", f"/webhooks/{FAILING}", _opened),
    View("webhook-gone", f"/webhooks/{GONE}"),
    View("webhook-none-such", f"/webhooks/{FAILING}?state=dead"),
    View("webhook-new", "/webhooks/new"),
    View("webhook-wrong", "/webhooks/new", _sent),
    View("webhook-edit", f"/webhooks/{FAILING}/edit"),
    View("webhook-secret", f"/webhooks/{WELL}", _secret),
    View("delivery", f"/webhooks/{WELL}/deliveries/{FAILED}", _opened),
    View("delivery-delivered", f"/webhooks/{WELL}/deliveries/{DELIVERED}"),
    View("delivery-waiting", f"/webhooks/{WELL}/deliveries/{WAITING}"),
    View("sessions", "/sessions"),
    View("types", "/report-types"),
    View("type", "/report-types/general-ledger"),
    View("overview", "/overview?period=7d"),
    View("overview-opened", "/overview?period=24h", _opened),
    View("queues", "/queues"),
    View("queues-opened", "/queues", _opened),
    View("queues-sure", "/queues", _asked_whether),
    View("queues-wrong", "/queues", _named_wrongly),
    View("keys", "/keys"),
    View("keys-opened", "/keys", _opened),
    View("key", "/keys", _first_key),
    View("key-made", "/keys", _made),
    View("audit", "/audit"),
    View("audit-none", "/audit?subject=nobody"),
    View("not-allowed", "/overview", who="guest"),
    View("no-such-page", "/nothing"),
    View("sign-in", "/sign-in", who="nobody"),
)
