"""The callback of a job: an address in the job's own request that is notified when the job ends.

Its host must be one for which the tenant has a webhook, whose secret signs the message. So a client cannot make the
service call a host that nobody in the tenant answers for, and a receiver can check each message.
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
    """Return `checked` if its callback is allowed.

    A callback that a retry takes over from the old job is removed if it is not allowed any more. Raises InvalidRequest.
    A request without a callback costs no query.
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
        raise InvalidRequest("The request is not valid.", [problem])
    return checked._replace(options=checked.options._replace(callback_url=None, notify_when=None))


def callback_problem(conn: Connection, tenant: str, url: object) -> Violation | None:
    """Return what forbids the tenant's jobs to notify this address; None if nothing does or there is no address."""
    if not isinstance(url, str) or store.has_origin(conn, tenant, origin := origin_of(url)):
        return None
    message = (
        f"leads to {origin[:300]}, where the tenant has no webhook that is enabled: its secret would sign the message. "
        'Make one at that host first, with "types": [] if it is for callbacks only'
    )
    return Violation(CALLBACK, "unknown_host", message)
