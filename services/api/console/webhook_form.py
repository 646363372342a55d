"""The form of a webhook: its initial content, and the request that it makes."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from services.api.console.visit import Form, Visit
from services.api.console.webhooks import in_words
from shared.catalog.parameters import Violation
from shared.webhooks.event import CHOOSABLE
from shared.webhooks.webhook import Webhook

FIELDS = ("url", "description", "types", "reportTypes", "notifyWhen")
_BOUND = re.compile(r"([^<>\s]+)\s*([<>])\s*(-?[0-9.]+)")


def new() -> dict[str, Any]:
    """Return the form of a new webhook, which receives every event."""
    return {"url": "", "description": "", "types": list(CHOOSABLE), "reportTypes": [], "notifyWhen": "", "version": ""}


def of_webhook(webhook: Webhook) -> dict[str, Any]:
    """Return the form filled in from the webhook as it was written."""
    wanted = webhook.wanted
    return {
        "url": wanted.url, "description": wanted.description, "types": [str(one) for one in wanted.types],
        "reportTypes": list(wanted.report_types or ()), "notifyWhen": "\n".join(in_words(wanted.notify_when)),
        "version": str(webhook.version),
    }  # fmt: skip


def entered(form: Form) -> dict[str, Any]:
    """Return the content of each field."""
    texts = {name: form.one(name).strip() for name in ("url", "description", "notifyWhen", "version")}
    return {**texts, "types": form.many("types")[:50], "reportTypes": form.many("reportTypes")[:200]}


def asked(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request that the form makes, as the API takes it."""
    lines = [line.strip() for line in values["notifyWhen"].splitlines() if line.strip()]
    return {
        "url": values["url"], "description": values["description"], "types": values["types"],
        "reportTypes": values["reportTypes"] or None, "notifyWhen": [_condition(one) for one in lines] or None,
    }  # fmt: skip


def context(visit: Visit, values: Mapping[str, Any], violations: Sequence[Violation]) -> dict[str, Any]:
    """Return the template context of the form."""
    wrong: dict[str, list[str]] = {}
    for violation in violations:
        name = re.split(r"[.\[]", violation.field)[0]
        wrong.setdefault(name if name in FIELDS else "url", []).append(violation.message)
    types = visit.parts.catalog.types.values()
    return {
        "own": values, "wrong": wrong, "fields": FIELDS, "events": [str(one) for one in CHOOSABLE],
        "report_types": [one for one in types if one.may_be_asked_by(visit.principal.tenant, None)],
    }  # fmt: skip


def _condition(line: str) -> object:
    bound = _BOUND.fullmatch(line)
    if bound is None:
        return line
    figure, sign, number = bound.groups()
    try:
        value: float | str = float(number)
    except ValueError:
        value = number
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return {"figure": figure, "above" if sign == ">" else "below": value}
