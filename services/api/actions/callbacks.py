"""The callback of a job: an address that its own request names, and that is told how the job ended.

It may lead to hosts at which the tenant has a webhook, whose secret signs it: so nobody makes the service call a host
that nobody in the tenant answers for, and each message can be checked.
"""

from anyio import to_thread
from sqlalchemy.engine import Connection

from services.api.actions.checks import Checked, Wanted
from services.api.actions.errors import InvalidRequest
from services.api.actions.options import CALLBACK
from services.api.actions.parts import Parts
from services.api.auth.principal import Principal
from shared.catalog.parameters import Violation
from shared.webhooks import store
from shared.webhooks.url import origin_of


async def check_callback(parts: Parts, principal: Principal, wanted: Wanted, checked: Checked) -> Checked:
    """The same, if its callback may be told; without one that a retry has from the old job, if it may not any more.

    Raises InvalidRequest. A request without a callback asks nobody.
    """
    url = checked.options.callback_url
    if url is None:
        return checked

    def look() -> Violation | None:
        with parts.engine.connect() as conn:
            return callback_problem(conn, principal.tenant, url)

    problem = await to_thread.run_sync(look)
    if problem is None:
        return checked
    if CALLBACK in wanted.fields:
        raise InvalidRequest("The request has one problem.", [problem])
    return checked._replace(options=checked.options._replace(callback_url=None, notify_when=None))


def callback_problem(conn: Connection, tenant: str, url: object) -> Violation | None:
    """What keeps the tenant's jobs from telling that address; None if nothing does, or there is none."""
    if not isinstance(url, str) or store.has_origin(conn, tenant, origin := origin_of(url)):
        return None
    message = (
        f"leads to {origin[:300]}, where the tenant has no webhook that is enabled: its secret would sign the message. "
        'Make one at that host first, with "types": [] if it is for callbacks only'
    )
    return Violation(CALLBACK, "unknown_host", message)
