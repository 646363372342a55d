"""What a request says about a webhook: read and checked, with every mistake named."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from services.api.actions.conditions import read_conditions
from services.api.actions.errors import InvalidRequest
from services.api.actions.parts import Parts
from shared.catalog.figures import figures_of
from shared.catalog.parameters import Violation
from shared.suggest import did_you_mean
from shared.webhooks.conditions import FIELD as NOTIFY_WHEN
from shared.webhooks.event import CHOOSABLE, EventType
from shared.webhooks.url import Target, read_url
from shared.webhooks.webhook import Disabled, Wanted, Webhook

FIELDS = ("url", "types", "reportTypes", "notifyWhen", "description")
CHANGES = (*FIELDS, "enabled")
LONGEST_DESCRIPTION = 200
_MOST_REPORT_TYPES = 100
_MOST_UNKNOWN = 20


def read_webhook(
    parts: Parts, tenant: str, fields: Mapping[str, Any], old: Webhook | None = None
) -> tuple[Wanted, Disabled | None]:
    """Return the webhook as it should be, and whether it is switched off; fields that are not given stay as in `old`.

    Raises InvalidRequest.
    """
    wrong = _unknown(fields, FIELDS if old is None else CHANGES)
    was = None if old is None else old.wanted
    url, origin = (was.url, was.origin) if was is not None else ("", "")
    if was is None or "url" in fields:
        target = read_url(fields.get("url"), parts.settings.egress)
        if isinstance(target, Target):
            url, origin = target
        else:
            wrong.append(Violation("url", "url", target))
    types = was.types if was is not None and "types" not in fields else _types(fields.get("types"), wrong)
    report_types = was.report_types if was is not None else None
    if "reportTypes" in fields:
        report_types = _report_types(parts, tenant, fields["reportTypes"], wrong)
    when = was.notify_when if was is not None else None
    if NOTIFY_WHEN in fields or "reportTypes" in fields:
        when = read_conditions(fields.get(NOTIFY_WHEN, when), _figures(parts, tenant, report_types), wrong)
    description = was.description if was is not None else ""
    if "description" in fields:
        description = _description(fields["description"], wrong)
    disabled = _disabled(fields, old, wrong)
    if wrong:
        many = "one problem" if len(wrong) == 1 else f"{len(wrong)} problems"
        raise InvalidRequest(f"The request has {many}.", wrong)
    return Wanted(url, origin, types, report_types, description, when), disabled


def _unknown(fields: Mapping[str, Any], known: tuple[str, ...]) -> list[Violation]:
    return [
        Violation(name[:100], "unknown_field", f"is not a field of this request{did_you_mean(name[:100], known)}")
        for name in [one for one in fields if one not in known][:_MOST_UNKNOWN]
    ]


def _types(given: object, wrong: list[Violation]) -> list[EventType]:
    choices = ", ".join(CHOOSABLE)
    if given is None:
        return list(CHOOSABLE)
    if not isinstance(given, list):
        wrong.append(Violation("types", "type", f"must be a list of these: {choices}; empty for callbacks only"))
        return []
    for n, one in islice(((n, one) for n, one in enumerate(given) if one not in CHOOSABLE), _MOST_UNKNOWN):
        hint = did_you_mean(one[:60], CHOOSABLE) if isinstance(one, str) else ""
        wrong.append(Violation(f"types[{n}]", "choice", f"must be one of {choices}{hint}"))
    return [one for one in CHOOSABLE if one in given]


def _report_types(parts: Parts, tenant: str, given: object, wrong: list[Violation]) -> list[str] | None:
    if given is None:
        return None
    if not isinstance(given, list) or not 1 <= len(given) <= _MOST_REPORT_TYPES:
        told = f"must be a list of 1 to {_MOST_REPORT_TYPES} names of report types; null for all of them"
        wrong.append(Violation("reportTypes", "type", told))
        return None
    known = [name for name, report in parts.catalog.types.items() if report.may_be_asked_by(tenant, None)]
    for n, one in islice(((n, one) for n, one in enumerate(given) if one not in known), _MOST_UNKNOWN):
        hint = did_you_mean(one[:60], known) if isinstance(one, str) else ""
        wrong.append(Violation(f"reportTypes[{n}]", "unknown", f"is not the name of a report type{hint}"))
    return sorted({str(one) for one in given})


def _figures(parts: Parts, tenant: str, report_types: Sequence[str] | None) -> Sequence[str]:
    """Return the names of the figures of these report types that exist for the tenant."""
    types = parts.catalog.types.items()
    some = [one for name, one in types if one.may_be_asked_by(tenant, None) and name in (report_types or [name])]
    return list(dict.fromkeys(name for one in some for name in figures_of(one)))


def _description(given: object, wrong: list[Violation]) -> str:
    if given is None:
        return ""
    if isinstance(given, str) and len(given) <= LONGEST_DESCRIPTION and "\0" not in given:
        return given
    wrong.append(Violation("description", "type", f"must be a text of at most {LONGEST_DESCRIPTION} characters"))
    return ""


def _disabled(fields: Mapping[str, Any], old: Webhook | None, wrong: list[Violation]) -> Disabled | None:
    if old is None or "enabled" not in fields:
        return None if old is None else old.disabled_because
    enabled = fields["enabled"]
    if not isinstance(enabled, bool):
        wrong.append(Violation("enabled", "type", "must be true or false"))
    return None if enabled else old.disabled_because or Disabled.ASKED
