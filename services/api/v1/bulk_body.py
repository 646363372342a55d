"""Reads a client's bulk action. Its filter has the same fields as that of the list of jobs."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Request

from services.api.actions.bulk import WantedBulk
from services.api.v1.body_fields import idempotency_key, refuse, unknown_fields
from services.api.v1.job_filters import ID_BEGINS, LASTED, Written, ago_in, read_filter
from services.api.v1.submission_body import read_fields
from services.api.v1.submissions import IDEMPOTENCY_KEY
from shared.catalog.parameters import Violation
from shared.jobs.bulk_rules import BulkAction
from shared.jobs.filters import JobFilter
from shared.jobs.states import JobStatus
from shared.suggest import did_you_mean

_FIELDS = ("action", "filter", "reason", "dryRun")
_LISTS = ("status", "label")
MOST_REASON = 500
"""The most characters of a reason."""


def _text(description: str, **more: Any) -> dict[str, Any]:
    return {"type": ["string", "null"], "description": description, **more}


def _some(description: str, **each: Any) -> dict[str, Any]:
    return {"type": ["array", "null"], "items": {"type": "string", **each}, "description": description}


_FILTER: dict[str, Any] = {
    "type": ["object", "null"],
    "additionalProperties": False,
    "description": "As for the list of jobs. Without `status`: what the action is for, which is unfinished jobs to "
    "cancel, failed ones to retry, ended ones to delete.",
    "properties": {
        "status": _some("Only jobs in these states", enum=list(JobStatus)),
        "reportType": _text("Only jobs of this report type", maxLength=100),
        "label": _some("Only jobs with each of these labels, as `name:value`"),
        "createdAfter": _text("Only jobs created then or later: RFC 3339, or ago, as `-24h`"),
        "createdBefore": _text("Only jobs created earlier: RFC 3339, or ago, as `-30m`"),
        "requester": _text("Only jobs that this one asked for", maxLength=100),
        "errorCode": _text("Only jobs that failed with this code", maxLength=100),
        "retryOf": _text("Only jobs that repeat this one", format="uuid"),
        "bulk": _text("Only jobs that this bulk action met", format="uuid"),
        "schedule": _text("Only jobs that this schedule asked for", format="uuid"),
        "id": _text("Only jobs whose id begins so", pattern=f"^{ID_BEGINS}$"),
        "tookAtLeast": _text("Only jobs that ran so long or longer: `30s`", pattern=f"^{LASTED}$"),
    },
}
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["action"],
                    "properties": {
                        "action": {"type": "string", "enum": list(BulkAction), "description": "What is done to each"},
                        "filter": _FILTER,
                        "reason": _text("Why; it is kept, and stands in the audit trail", maxLength=MOST_REASON),
                        "dryRun": {
                            "type": ["boolean", "null"],
                            "default": True,
                            "description": "false: carry it out at once",
                        },
                    },
                },
                "example": {
                    "action": "retry",
                    "filter": {"errorCode": "source_unavailable", "createdAfter": "-24h"},
                    "reason": "the source was away",
                    "dryRun": True,
                },
            }
        },
    },
    "parameters": [IDEMPOTENCY_KEY],
}
"""The request body, for the API description."""


async def read_bulk(request: Request) -> WantedBulk:
    """Return what the client wants. Raises InvalidRequest with every mistake."""
    fields = await read_fields(request)
    violations = unknown_fields(fields, _FIELDS)
    written = _written(fields.get("filter"), violations)
    wanted = WantedBulk(
        _action(fields.get("action"), violations),
        _filter(written, violations),
        _reason(fields.get("reason"), violations),
        _dry_run(fields.get("dryRun"), violations),
        idempotency_key(request, violations),
        ago_in(written),
    )
    refuse(violations)
    return wanted


def _action(given: object, violations: list[Violation]) -> BulkAction:
    if isinstance(given, str) and given in list(BulkAction):
        return BulkAction(given)
    near = did_you_mean(given[:40], list(BulkAction)) if isinstance(given, str) else ""
    violations.append(Violation("action", "choice", f"must be cancel, retry or delete{near}"))
    return BulkAction.CANCEL


def _written(given: object, violations: list[Violation]) -> Written:
    """Return the filter as it is written; an empty one if it is invalid."""
    if given is None:
        return Written()
    if not isinstance(given, dict):
        violations.append(Violation("filter", "type", 'must be an object such as {"status": ["FAILED"]}'))
        return Written()
    wrong: list[Violation] = []
    values: dict[str, Any] = {name: _value(name, value, wrong) for name, value in list(given.items())[:100]}
    violations.extend(_in_filter(wrong))
    return Written() if wrong else Written(**values)


def _filter(written: Written, violations: list[Violation]) -> JobFilter:
    wrong: list[Violation] = []
    read = read_filter(written, wrong)
    violations.extend(_in_filter(wrong))
    return read


def _in_filter(wrong: Sequence[Violation]) -> list[Violation]:
    return [Violation(f"filter.{one.field}", one.code, one.message) for one in wrong]


def _value(name: str, given: object, wrong: list[Violation]) -> object:
    if name not in Written._fields:
        near = did_you_mean(name[:100], Written._fields)
        wrong.append(Violation(name[:100], "unknown_field", f"is not a filter of the list of jobs{near}"))
    elif given is None:
        return None
    elif name in _LISTS:
        many = [given] if isinstance(given, str) else given
        if isinstance(many, list) and all(isinstance(one, str) for one in many):
            return many
        wrong.append(Violation(name, "type", "must be a list of strings"))
    elif not isinstance(given, str):
        wrong.append(Violation(name, "type", "must be a string"))
    return given


def _reason(given: object, violations: list[Violation]) -> str:
    if given is None:
        return ""
    if not isinstance(given, str):
        violations.append(Violation("reason", "type", "must be a string"))
    elif "\0" in given:
        violations.append(Violation("reason", "character", "contains U+0000"))
    elif len(given) > MOST_REASON:
        violations.append(
            Violation("reason", "too_long", f"has {len(given)} characters, but at most {MOST_REASON} are allowed")
        )
    return str(given)


def _dry_run(given: object, violations: list[Violation]) -> bool:
    if given is not None and not isinstance(given, bool):
        violations.append(Violation("dryRun", "type", "must be true or false"))
    return given is not False


def as_written(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stored filter by the names on the wire, as for a list of its jobs."""
    names = {
        "report_type": "reportType", "created_after": "createdAfter", "created_before": "createdBefore",
        "error_code": "errorCode", "retry_of": "retryOf", "statuses": "status",
        "id_begins": "id",
    }  # fmt: skip
    written = {names.get(name, name): value for name, value in stored.items() if name not in ("labels", "took_s")}
    if "labels" in stored:
        written["label"] = [f"{name}:{value}" for name, value in stored["labels"].items()]
    if "took_s" in stored:
        written["tookAtLeast"] = f"{stored['took_s']}s"
    return written
