"""Submit many reports at once. Each is a submission of its own, with its own answer."""

import asyncio
from collections.abc import Mapping, Sequence

from services.api.actions import submissions
from services.api.actions.checks import Wanted
from services.api.actions.errors import InvalidRequest
from services.api.actions.parts import Parts
from services.api.actions.submissions import Submitted
from services.api.auth.principal import Principal
from shared import json_text
from shared.access.scopes import Scope
from shared.catalog.parameters import Violation

MOST = 1_000
"""Submissions in one batch."""
KEY = "idempotencyKey"
"""The field of a submission that is its Idempotency-Key."""
_LONGEST_BYTES = 256 * 1024
"""The longest single submission, as when it comes alone."""
_TOGETHER = 128
"""Submissions in progress at once: what the submitter puts into one statement. It is only a part of those that may wait
for the submitter, so a batch keeps no other client out."""

Outcome = Submitted | Exception
"""The result of one submission: a TodokeError for a mistake or an outage, any other exception for a bug."""


async def submit_all(
    parts: Parts, principal: Principal, asked: Sequence[object], *, trace_context: str | None = None
) -> list[Outcome]:
    """Submit each of `asked`, and return one outcome for each, in order.

    Every accepted job is committed when this returns. Each submission counts as a request. Raises InsufficientScope.
    """
    principal.need(Scope.JOBS_CREATE)
    parts.access.charge(principal, len(asked) - 1)
    outcomes: list[Outcome] = []
    for begin in range(0, len(asked), _TOGETHER):
        some = (_submit(parts, principal, one, trace_context) for one in asked[begin : begin + _TOGETHER])
        for outcome in await asyncio.gather(*some, return_exceptions=True):
            if isinstance(outcome, BaseException) and not isinstance(outcome, Exception):
                raise outcome  # the whole request is being cancelled
            outcomes.append(outcome)
    return outcomes


async def _submit(parts: Parts, principal: Principal, asked: object, trace_context: str | None) -> Submitted:
    if not isinstance(asked, dict):
        raise InvalidRequest('The submission must be an object such as {"reportType": "…"}.')
    fields: Mapping[str, object] = {name: value for name, value in asked.items() if name != KEY}
    body = json_text.write(fields).encode()
    if len(body) > _LONGEST_BYTES:
        raise InvalidRequest(f"The submission has more than {_LONGEST_BYTES} bytes.")
    key = asked.get(KEY)
    if key is not None and not isinstance(key, str):
        raise InvalidRequest("The request is not valid.", [Violation(KEY, "type", "must be a string")])
    try:
        wanted = Wanted(fields, body, [key] if key is not None else [], trace_context)
        return await submissions.submit(parts, principal, wanted)
    except InvalidRequest as error:
        raise InvalidRequest(str(error), [_renamed(violation) for violation in error.violations]) from None


def _renamed(violation: Violation) -> Violation:
    """In a batch the key stands in another place than in a single submission."""
    if violation.field != "Idempotency-Key":
        return violation
    return Violation(KEY, violation.code, violation.message)
