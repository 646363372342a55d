"""Pausing and capping from `/console/queues`."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from fastapi import APIRouter, Response

from services.api.actions import gates
from services.api.actions.errors import GateResuming, UnknownGate
from services.api.actions.gates import WantedPause
from services.api.console import translated
from services.api.console.queues import MOST_RUNNING, queues_page
from services.api.console.route import page_for
from services.api.console.visit import Form, Visit, read_form
from shared.catalog.parameters import Violation
from shared.jobs.gates import Gate, Kind

router = APIRouter(include_in_schema=False)

_LONGEST_REASON = 200
_MOST_HOURS = 24 * 366


@router.post("/queues/pause")
@page_for
async def pause(visit: Visit) -> Response:
    """Pause a tenant, a report type or a source."""
    form = await read_form(visit)
    gate, wrong = _gate(form)
    reason, hours = form.one("reason").strip(), form.one("hours").strip()
    if not reason or not reason.isprintable() or len(reason) > _LONGEST_REASON:
        wrong.append(Violation("reason", "text", "operator.say_why"))
    if hours and not (hours.isascii() and hours.isdecimal() and len(hours) < 6 and 0 < int(hours) <= _MOST_HOURS):
        wrong.append(Violation("hours", "range", "operator.hours_wrong"))
    if not wrong:
        until = datetime.now(UTC) + timedelta(hours=int(hours)) if hours else None
        try:
            await gates.pause(visit.parts, visit.principal, gate, WantedPause(reason, until))
            return visit.to("/queues?done=pause#gates")
        except (UnknownGate, GateResuming) as error:
            wrong += _refused(error, visit)
    return await queues_page(visit, wrong=wrong, given=dict(form.fields), about="pause")


@router.post("/queues/cap")
@page_for
async def cap(visit: Visit) -> Response:
    """Limit how many jobs of a tenant, a report type or a source run at the same time."""
    form = await read_form(visit)
    gate, wrong = _gate(form)
    most = form.one("most").strip()
    if not (most.isascii() and most.isdecimal() and len(most) < 6 and 0 < int(most) <= MOST_RUNNING):
        wrong.append(Violation("most", "range", "operator.most_wrong"))
    if not wrong:
        try:
            await gates.set_cap(visit.parts, visit.principal, gate, int(most))
            return visit.to("/queues?done=cap#gates")
        except UnknownGate as error:
            wrong += _refused(error, visit)
    return await queues_page(visit, wrong=wrong, given=dict(form.fields), about="cap")


@router.post("/queues/resume")
@page_for
async def resume(visit: Visit) -> Response:
    """End a pause."""
    gate, _ = _gate(await read_form(visit))
    await gates.resume(visit.parts, visit.principal, gate)
    return visit.to("/queues?done=resume#gates")


@router.post("/queues/uncap")
@page_for
async def uncap(visit: Visit) -> Response:
    """Remove a cap."""
    gate, _ = _gate(await read_form(visit))
    await gates.remove_cap(visit.parts, visit.principal, gate)
    return visit.to("/queues?done=uncap#gates")


def _refused(error: UnknownGate | GateResuming, visit: Visit) -> Sequence[Violation]:
    code = "name" if isinstance(error, UnknownGate) else "conflict"
    return translated.violations([Violation("name", code, str(error))], visit.texts)


def _gate(form: Form) -> tuple[Gate, list[Violation]]:
    kind, name = form.one("kind"), form.one("name").strip()
    wrong = [] if kind in list(Kind) else [Violation("kind", "choice", "operator.kind_wrong")]
    if not name:
        wrong.append(Violation("name", "required", "operator.name_wrong"))
    return Gate(Kind(kind) if kind in list(Kind) else Kind.TENANT, name), wrong
