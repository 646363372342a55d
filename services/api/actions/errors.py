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
        super().__init__("The resource has changed and no longer matches If-Match. Read it again before you change it.")


class PageTokenInvalid(TodokeError):
    """The token was not issued here, or not to this caller, or not for this list."""

    def __init__(self) -> None:
        super().__init__(
            "pageToken is not a nextPageToken of this list. Send one unchanged, or none for the first page."
        )


class PageTokenMismatch(TodokeError):
    """The token belongs to a list with another filter."""

    def __init__(self) -> None:
        super().__init__(
            "pageToken was issued for different filters. Send it with the filters of that list (pageSize may "
            "change), or start at the first page."
        )


class PageTokenExpired(TodokeError):
    """The token is too old."""

    def __init__(self) -> None:
        super().__init__("pageToken is older than three days. Start at the first page.")


class KeysNotInUse(TodokeError):
    """The API does not use keys, so none can be created."""

    def __init__(self) -> None:
        super().__init__(
            "This API does not use keys (API_AUTH), so it cannot create any. An operator creates the first key."
        )


class UnknownKey(TodokeError):
    """There is no such API key, or it is another tenant's: the answer is the same."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"There is no API key {key_id[:60]!r}.")


class KeyNotUsable(TodokeError):
    """The key has ended already, so no other key can follow it."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"The key {key_id!r} was revoked or has expired. Create a new one.")


class KeyAlreadyReplaced(TodokeError):
    """Another key follows this key already."""

    def __init__(self, key_id: str) -> None:
        super().__init__(
            f"The key {key_id!r} already has a successor. If you lost its secret, revoke it and rotate again."
        )


class KeyRequestReused(TodokeError):
    """An Idempotency-Key was used with another request before."""

    def __init__(self) -> None:
        super().__init__(
            "This Idempotency-Key was already used for a different request. Use a new key for a new request."
        )


class UnknownGate(TodokeError):
    """No gate of that name can be paused or capped."""


class GateResuming(TodokeError):
    """The previous pause has ended, and its jobs are being given back the time that they lost."""

    def __init__(self, gate: str) -> None:
        super().__init__(f"The {gate} is being resumed. Pause it again in a moment.")


class UnknownBulk(TodokeError):
    """There is no such bulk action, or the caller does not see it: the answer is the same."""

    def __init__(self, bulk_id: str) -> None:
        super().__init__(f"There is no bulk action {bulk_id[:60]!r}.")


class TooManyBulkActions(TodokeError):
    """As many bulk actions of the tenant are running as are allowed."""

    def __init__(self, most: int) -> None:
        super().__init__(
            f"The tenant has {most} running bulk actions, the maximum (API_BULK_RUNNING). Wait for one, or stop one."
        )


class BulkAlreadyEnded(TodokeError):
    """The bulk action has ended, so it can be neither run nor stopped."""

    def __init__(self, state: str) -> None:
        super().__init__(f"The bulk action is {state}. Make a new one.")


class BulkTooOld(TodokeError):
    """Too much may have changed since the dry run was reviewed."""

    def __init__(self) -> None:
        super().__init__("The dry run is older than a day. Make a new one and review it.")


class NotYourBulk(TodokeError):
    """Only the creator of a dry run may have it carried out, because it acts with the creator's rights."""

    def __init__(self) -> None:
        super().__init__(
            "Only the caller who made a dry run can run it, because it uses that caller's rights. Make your own."
        )


class UnknownWebhook(TodokeError):
    """The tenant has no such webhook, or no such delivery of it."""

    def __init__(self, webhook_id: UUID | str, what: str = "webhook") -> None:
        super().__init__(f"There is no {what} {str(webhook_id)[:60]!r}.")


class TooManyWebhooks(TodokeError):
    """The tenant has as many webhooks as are allowed."""

    def __init__(self, most: int) -> None:
        super().__init__(f"The tenant already has {most} webhooks, the maximum (API_WEBHOOKS_EACH). Delete one first.")


class WebhookBusy(TodokeError):
    """The webhook is not in a state that allows this. The message says why."""


class UnknownSchedule(TodokeError):
    """There is no such schedule, or the caller does not see it: the answer is the same."""

    def __init__(self, schedule_id: UUID | str) -> None:
        super().__init__(f"There is no schedule {str(schedule_id)[:60]!r}.")


class TooManySchedules(TodokeError):
    """The tenant has as many schedules as are allowed."""

    def __init__(self, most: int) -> None:
        super().__init__(
            f"The tenant already has {most} schedules, the maximum (API_SCHEDULES_EACH). Delete one first."
        )


class ScheduleInFile(TodokeError):
    """The schedule is defined in a file of the catalog, and can only be changed there."""

    def __init__(self, file: str, *, gone: bool = False) -> None:
        path = f"_schedules/{file}.toml"
        super().__init__(
            f"The schedule stopped because its file is gone from the catalog. Restore {path}, or delete the schedule."
            if gone
            else f"The schedule is defined in the catalog file {path}. Change or remove it there. "
            "Here you can pause, resume and run it."
        )


class ScheduleCannotRun(TodokeError):
    """The schedule's job cannot be submitted. Nothing was changed."""

    def __init__(self, reason: Reason | None, detail: str | None) -> None:
        why = ": ".join(part for part in (_WHY.get(reason), detail) if part)
        super().__init__(f"The schedule cannot run: {why}.")


_WHY: Mapping[object, str] = {
    Reason.OWNER_GONE: "its API key was revoked or has expired; change or resume the schedule to use yours",
    Reason.OWNER_LACKS_SCOPE: "its owner may no longer request this report",
    Reason.GRANT_OVER: "its owner has not changed or resumed it for too long; resume it to use your scopes",
    Reason.REPORT_TYPE_GONE: "the report type or one of its formats is no longer in the catalog",
    Reason.PARAMETERS_WRONG: "the report type no longer accepts its parameters",
}
