"""Why an action did not do what was asked. Each message is written for the client."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from shared.catalog.model import CatalogView
from shared.catalog.parameters import Violation
from shared.errors import TodokeError
from shared.schedules.schedule import Reason
from shared.suggest import did_you_mean

MOST_VIOLATIONS = 100
"""Violations reported at once. A small request can contain a hundred thousand mistakes, and the answer must stay
small."""


class InvalidRequest(TodokeError):
    """The request has mistakes, and all of them are named."""

    def __init__(self, message: str, violations: Sequence[Violation] = ()) -> None:
        super().__init__(message)
        self.violations = violations


class UnknownReportType(TodokeError):
    """The catalog has no such report type."""

    def __init__(self, name: str, catalog: CatalogView) -> None:
        super().__init__(f"There is no report type {name[:60]!r}{did_you_mean(name[:60], catalog.types)}")


class NoChoices(TodokeError):
    """The report type has no such parameter, or it has no choices."""

    def __init__(self, report_type: str, parameter: str, known: Sequence[str]) -> None:
        near = did_you_mean(parameter[:60], known)
        super().__init__(f"{report_type[:60]} has no parameter {parameter[:60]!r} with choices{near}")


class ChoicesUnavailable(TodokeError):
    """The source returned no choices. Nothing was written."""


class NotAccepted(TodokeError):
    """The database did not confirm a job. Whether it was written is unknown, unless the message says so."""


class PreconditionFailed(TodokeError):
    """The caller requires another revision than the current one. Nothing was changed."""

    def __init__(self) -> None:
        super().__init__("What is here is not what If-Match names: look at it again.")


class PageTokenInvalid(TodokeError):
    """The token was not issued here, or not to this caller, or not for this list."""

    def __init__(self) -> None:
        super().__init__(
            "pageToken is not a nextPageToken of this list: send one unchanged, or none for the first page."
        )


class PageTokenMismatch(TodokeError):
    """The token belongs to a list with another filter."""

    def __init__(self) -> None:
        super().__init__(
            "pageToken belongs to a list with other filters: send it with the filters that it came from (pageSize may "
            "change), or begin at the first page."
        )


class PageTokenExpired(TodokeError):
    """The token is too old."""

    def __init__(self) -> None:
        super().__init__("pageToken is older than three days: begin at the first page.")


class KeysNotInUse(TodokeError):
    """The API does not use keys, so none can be created."""

    def __init__(self) -> None:
        super().__init__("This API takes no keys (API_AUTH), so none are made here: an operator makes the first.")


class UnknownKey(TodokeError):
    """There is no such API key, or it is another tenant's: the answer is the same."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"There is no API key {key_id[:60]!r}.")


class KeyNotUsable(TodokeError):
    """The key has ended already, so no other key can follow it."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"The key {key_id!r} was revoked, or its time is over: make a new one.")


class KeyAlreadyReplaced(TodokeError):
    """Another key follows this key already."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"The key {key_id!r} has a successor. If its secret is lost, revoke it, and rotate again.")


class KeyRequestReused(TodokeError):
    """An Idempotency-Key was used with another request before."""

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key came with another request before. Use a new one for a new request.")


class UnknownGate(TodokeError):
    """No gate of that name can be paused or capped."""


class GateResuming(TodokeError):
    """The previous pause has ended, and its jobs are being given back the time that they lost."""

    def __init__(self, gate: str) -> None:
        super().__init__(f"The {gate} is just being resumed: pause it again in a moment.")


class UnknownBulk(TodokeError):
    """There is no such bulk action, or the caller does not see it: the answer is the same."""

    def __init__(self, bulk_id: str) -> None:
        super().__init__(f"There is no bulk action {bulk_id[:60]!r}.")


class TooManyBulkActions(TodokeError):
    """As many bulk actions of the tenant are running as are allowed."""

    def __init__(self, most: int) -> None:
        super().__init__(
            f"{most} bulk actions of this tenant run (API_BULK_RUNNING): wait until one has ended, or stop one."
        )


class BulkAlreadyEnded(TodokeError):
    """The bulk action has ended, so it can be neither run nor stopped."""

    def __init__(self, state: str) -> None:
        super().__init__(f"The bulk action is {state}: make a new one.")


class BulkTooOld(TodokeError):
    """Too much may have changed since the dry run was reviewed."""

    def __init__(self) -> None:
        super().__init__("The dry run is older than a day: make a new one, and look at it.")


class NotYourBulk(TodokeError):
    """Only the creator of a dry run may have it carried out, because it acts with the creator's rights."""

    def __init__(self) -> None:
        super().__init__(
            "Only who made a dry run can run it, because it acts with that one's rights: make one of your own."
        )


class UnknownWebhook(TodokeError):
    """The tenant has no such webhook, or no such delivery of it."""

    def __init__(self, webhook_id: UUID | str, what: str = "webhook") -> None:
        super().__init__(f"There is no {what} {str(webhook_id)[:60]!r}.")


class TooManyWebhooks(TodokeError):
    """The tenant has as many webhooks as are allowed."""

    def __init__(self, most: int) -> None:
        super().__init__(f"There are {most} webhooks already, the most of a tenant (API_WEBHOOKS_EACH): delete some.")


class WebhookBusy(TodokeError):
    """The webhook is not in a state that allows this. The message says why."""


class UnknownSchedule(TodokeError):
    """There is no such schedule, or the caller does not see it: the answer is the same."""

    def __init__(self, schedule_id: UUID | str) -> None:
        super().__init__(f"There is no schedule {str(schedule_id)[:60]!r}.")


class TooManySchedules(TodokeError):
    """The tenant has as many schedules as are allowed."""

    def __init__(self, most: int) -> None:
        super().__init__(f"There are {most} schedules already, the most of a tenant (API_SCHEDULES_EACH): delete some.")


class ScheduleInFile(TodokeError):
    """The schedule is defined in a file of the catalog, and can only be changed there."""

    def __init__(self, file: str, *, gone: bool = False) -> None:
        path = f"_schedules/{file}.toml"
        super().__init__(
            f"The schedule stopped because no API has its file any more: bring {path} back, or delete the schedule."
            if gone
            else f"The schedule is written in the catalog, in {path}: change or remove it there. "
            "It can be paused, resumed and run here."
        )


class ScheduleCannotRun(TodokeError):
    """The schedule's job cannot be submitted. Nothing was changed."""

    def __init__(self, reason: Reason | None, detail: str | None) -> None:
        why = ": ".join(part for part in (_WHY.get(reason), detail) if part)
        super().__init__(f"The schedule cannot run: {why}.")


_WHY: Mapping[object, str] = {
    Reason.OWNER_GONE: "the API key that it acts with was revoked or is over; change or resume it to act with yours",
    Reason.OWNER_LACKS_SCOPE: "its owner may not ask for this report any more",
    Reason.GRANT_OVER: "its owner has not written or resumed it for too long; resume it to let it act with your scopes",
    Reason.REPORT_TYPE_GONE: "the catalog has no such report type any more, or not in its formats",
    Reason.PARAMETERS_WRONG: "the report type does not take its parameters any more",
}
