"""The options in a form: when the job runs, by when it must have ended, with which priority, and how it is marked."""

from collections.abc import Mapping, Sequence

from services.api.actions.options import MOST_URGENT
from services.api.actions.passwords import FIELD as PASSWORD
from services.api.console.fields import Field
from services.api.console.texts import Texts
from services.api.console.visit import Form
from shared.catalog.parameters import Violation
from shared.jobs.passwords import ENCRYPTED
from shared.jobs.read import Job

PROTECTED = "protected"
"""Shown in a form that starts from a job whose files had a password: a new password is needed."""
_WIDGETS = {
    "runAt": "datetime", "notAfter": "datetime", "priority": "select", "labels": "lines", "fileName": "text",
    "callbackUrl": "text", PASSWORD: "password",
}  # fmt: skip
"""The fields that the form shows, in this order; the API has more."""
_TEXTS = ("runAt", "notAfter", "fileName", "callbackUrl")


def entered(form: Form) -> dict[str, str]:
    """Return the content of each option, as text."""
    found = {name: form.one(f"o.{name}").strip() for name in _WIDGETS}
    return {**found, PASSWORD: form.one(f"o.{PASSWORD}"), PROTECTED: form.one(f"o.{PROTECTED}")}


def as_before(job: Job) -> dict[str, str]:
    """Return the job's options that still make sense in a new request: no past moments."""
    options = job.options or {}
    labels = "\n".join(f"{name}: {value}" for name, value in (job.labels or {}).items())
    priority = options.get("priority")
    return {
        "priority": "" if priority is None else str(priority),
        "labels": labels,
        "fileName": str(options.get("fileName") or ""),
        PROTECTED: "1" if options.get(ENCRYPTED) else "",
    }


def options_of(values: Mapping[str, str]) -> tuple[dict[str, object], list[Violation]]:
    """Return the fields of a request that the texts stand for. Empty ones are left out."""
    asked: dict[str, object] = {name: values[name] for name in _TEXTS if values.get(name)}
    if priority := values.get("priority"):
        number = priority.isascii() and priority.isdigit() and len(priority) < 20
        asked["priority"] = int(priority) if number else priority
    labels, violations = _labels(values.get("labels", ""))
    if password := values.get(PASSWORD):
        asked[PASSWORD] = password
    elif values.get(PROTECTED):
        violations.append(
            Violation(PASSWORD, "required", "is required: the original files had a password, which was not stored")
        )
    return {**asked, **({"labels": labels} if labels else {})}, violations


def option_fields(values: Mapping[str, str], violations: Sequence[Violation], texts: Texts) -> list[Field]:
    """Return the fields with what was entered and its mistakes."""
    return [
        Field(
            name=f"o.{name}",
            title=texts(f"option.{name}"),
            help=texts(f"option.{name}_help"),
            widget=widget,
            required=name == PASSWORD and bool(values.get(PROTECTED)),
            value="" if name == PASSWORD else values.get(name, ""),  # no page shows a password
            choices=[str(n) for n in range(MOST_URGENT + 1)] if widget == "select" else (),
            errors=[v.message for v in violations if v.field == name or v.field.startswith(f"{name}.")],
            ahead=True,
        )
        for name, widget in _WIDGETS.items()
    ]


def _labels(text: str) -> tuple[dict[str, str], list[Violation]]:
    labels: dict[str, str] = {}
    violations = []
    for line in filter(None, map(str.strip, text.splitlines())):
        name, colon, value = (part.strip() for part in line.partition(":"))
        if not colon:
            violations.append(Violation("labels", "label", f"{line[:60]!r} has no value: use the form name: value"))
        labels[name] = value
    return labels, violations
