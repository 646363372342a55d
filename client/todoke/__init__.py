"""The Python client of Todoke: submit reports, wait for them, and download verified files.

    from todoke import Todoke

    with Todoke() as todoke:  # TODOKE_URL and TODOKE_API_KEY, or arguments
        job = todoke.jobs.create("flights-export", {"origin": "JFK"}, formats=["xlsx"])
        todoke.jobs.wait(job.id, timeout=600)
        todoke.jobs.download(job.id, "out")

`AsyncTodoke` has the same methods. Modules are imported on first use, so `import todoke` costs next to nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from todoke.async_client import AsyncTodoke as AsyncTodoke
    from todoke.bulk_actions import BulkAction as BulkAction
    from todoke.bulk_actions import BulkActionsPage as BulkActionsPage
    from todoke.bulk_actions import BulkResult as BulkResult
    from todoke.bulk_actions import BulkResultsPage as BulkResultsPage
    from todoke.changes import JobInShort as JobInShort
    from todoke.client import Todoke as Todoke
    from todoke.errors import AlreadyThere as AlreadyThere
    from todoke.errors import ApiError as ApiError
    from todoke.errors import BadRequest as BadRequest
    from todoke.errors import Changed as Changed
    from todoke.errors import Conflict as Conflict
    from todoke.errors import ConnectionFailed as ConnectionFailed
    from todoke.errors import CorruptDownload as CorruptDownload
    from todoke.errors import Forbidden as Forbidden
    from todoke.errors import Gone as Gone
    from todoke.errors import Invalid as Invalid
    from todoke.errors import InvalidSignature as InvalidSignature
    from todoke.errors import JobCancelled as JobCancelled
    from todoke.errors import JobFailed as JobFailed
    from todoke.errors import ManifestError as ManifestError
    from todoke.errors import NoFiles as NoFiles
    from todoke.errors import NotFound as NotFound
    from todoke.errors import NotReady as NotReady
    from todoke.errors import RateLimited as RateLimited
    from todoke.errors import ServerError as ServerError
    from todoke.errors import TimedOut as TimedOut
    from todoke.errors import TodokeError as TodokeError
    from todoke.errors import Unauthorized as Unauthorized
    from todoke.errors import Unavailable as Unavailable
    from todoke.errors import UnexpectedAnswer as UnexpectedAnswer
    from todoke.errors import Violation as Violation
    from todoke.errors import WaitTimedOut as WaitTimedOut
    from todoke.estimate import Estimate as Estimate
    from todoke.gates import Gate as Gate
    from todoke.gates import Gates as Gates
    from todoke.installation import Overview as Overview
    from todoke.keys_and_audit import AuditPage as AuditPage
    from todoke.keys_and_audit import Key as Key
    from todoke.keys_and_audit import KeysPage as KeysPage
    from todoke.keys_and_audit import MadeKey as MadeKey
    from todoke.keys_and_audit import Me as Me
    from todoke.models import Accepted as Accepted
    from todoke.models import Downloaded as Downloaded
    from todoke.models import Event as Event
    from todoke.models import Job as Job
    from todoke.models import JobsPage as JobsPage
    from todoke.models import Retried as Retried
    from todoke.models import Submitted as Submitted
    from todoke.options import CsvOptions as CsvOptions
    from todoke.options import JobFilter as JobFilter
    from todoke.options import JobOptions as JobOptions
    from todoke.options import Submission as Submission
    from todoke.put_aside import DeadLetter as DeadLetter
    from todoke.put_aside import DeadLettersPage as DeadLettersPage
    from todoke.put_aside import HandledMessages as HandledMessages
    from todoke.put_aside import ParkedMessage as ParkedMessage
    from todoke.put_aside import ParkedMessagesPage as ParkedMessagesPage
    from todoke.report_types import Choices as Choices
    from todoke.report_types import ReportType as ReportType
    from todoke.report_types import ReportTypes as ReportTypes
    from todoke.results import Artifact as Artifact
    from todoke.rows import RowsPage as RowsPage
    from todoke.schedule_options import ScheduleChanges as ScheduleChanges
    from todoke.schedule_options import ScheduleOptions as ScheduleOptions
    from todoke.schedule_values import Backfill as Backfill
    from todoke.schedule_values import ComingTick as ComingTick
    from todoke.schedule_values import Schedule as Schedule
    from todoke.schedule_values import SchedulePlan as SchedulePlan
    from todoke.schedule_values import ScheduleRun as ScheduleRun
    from todoke.schedule_values import SchedulesPage as SchedulesPage
    from todoke.schedule_values import Tick as Tick
    from todoke.schedule_values import TicksPage as TicksPage
    from todoke.share_values import MadeShare as MadeShare
    from todoke.share_values import Share as Share
    from todoke.share_values import SharesPage as SharesPage
    from todoke.version import VERSION as __version__  # noqa: N811 - as packages call it
    from todoke.webhook_values import Attempt as Attempt
    from todoke.webhook_values import DeliveriesPage as DeliveriesPage
    from todoke.webhook_values import Delivery as Delivery
    from todoke.webhook_values import MadeWebhook as MadeWebhook
    from todoke.webhook_values import Message as Message
    from todoke.webhook_values import RotatedSecret as RotatedSecret
    from todoke.webhook_values import Webhook as Webhook
    from todoke.webhook_values import WebhookChanges as WebhookChanges
    from todoke.webhook_values import WebhooksPage as WebhooksPage
    from todoke.webhook_values import WholeDelivery as WholeDelivery
    from todoke.why import Why as Why

_HOMES = {
    "todoke.async_client": ("AsyncTodoke",),
    "todoke.bulk_actions": ("BulkAction", "BulkActionsPage", "BulkResult", "BulkResultsPage"),
    "todoke.client": ("Todoke",),
    "todoke.errors": (
        "AlreadyThere", "ApiError", "BadRequest", "Changed", "Conflict", "ConnectionFailed", "CorruptDownload",
        "Forbidden", "Gone", "Invalid", "InvalidSignature", "JobCancelled", "JobFailed", "ManifestError", "NoFiles",
        "NotFound", "NotReady", "RateLimited", "ServerError", "TimedOut", "TodokeError", "Unauthorized",
        "Unavailable", "UnexpectedAnswer", "Violation", "WaitTimedOut",
    ),
    "todoke.models": ("Accepted", "Downloaded", "Event", "Job", "JobsPage", "Retried", "Submitted"),
    "todoke.changes": ("JobInShort",),
    "todoke.estimate": ("Estimate",),
    "todoke.gates": ("Gate", "Gates"),
    "todoke.installation": ("Overview",),
    "todoke.keys_and_audit": ("AuditPage", "Key", "KeysPage", "MadeKey", "Me"),
    "todoke.options": ("CsvOptions", "JobFilter", "JobOptions", "Submission"),
    "todoke.put_aside": (
        "DeadLetter", "DeadLettersPage", "HandledMessages", "ParkedMessage", "ParkedMessagesPage",
    ),
    "todoke.report_types": ("Choices", "ReportType", "ReportTypes"),
    "todoke.results": ("Artifact",),
    "todoke.rows": ("RowsPage",),
    "todoke.schedule_options": ("ScheduleChanges", "ScheduleOptions"),
    "todoke.schedule_values": (
        "Backfill", "ComingTick", "Schedule", "SchedulePlan", "ScheduleRun", "SchedulesPage", "Tick", "TicksPage",
    ),
    "todoke.share_values": ("MadeShare", "Share", "SharesPage"),
    "todoke.webhook_values": (
        "Attempt", "DeliveriesPage", "Delivery", "MadeWebhook", "Message", "RotatedSecret", "Webhook", "WebhookChanges",
        "WebhooksPage", "WholeDelivery",
    ),
    "todoke.why": ("Why",),
}  # fmt: skip
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = ["__version__", *sorted(_HOME_OF)]


def __getattr__(name: str) -> Any:
    """Import a public name of the package on first access."""
    if name == "__version__":
        return importlib.import_module("todoke.version").VERSION
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """Return the public names, for `dir()` and completion."""
    return __all__
