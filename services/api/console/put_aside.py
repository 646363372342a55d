"""Actions from `/console/queues` on messages that were set aside: requested, reviewed once more, then done."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from fastapi import APIRouter, Response

from services.api.actions import put_aside
from services.api.actions.parts import Parts
from services.api.actions.put_aside import MOST, Done, Wanted
from services.api.auth.principal import Principal
from services.api.console.page import page
from services.api.console.queues import queues_page
from services.api.console.route import page_for
from services.api.console.visit import Form, Visit, read_form
from services.api.http.problems import Problem
from shared.catalog.parameters import Violation

router = APIRouter(include_in_schema=False)

_LONGEST_REASON = 200
_MOST_SHOWN = 20


class _Act(NamedTuple):
    """One possible action."""

    carry_out: Callable[[Parts, Principal, Wanted], Awaitable[Done]]
    danger: bool
    section: str


_ACTS = {
    "redrive": _Act(put_aside.redrive, danger=False, section="dead-letters"),
    "drop": _Act(put_aside.drop_dead_letters, danger=True, section="dead-letters"),
    "requeue": _Act(put_aside.requeue, danger=False, section="parked"),
    "drop-parked": _Act(put_aside.drop_parked, danger=True, section="parked"),
}


@router.post("/queues/messages")
@page_for
async def ask(visit: Visit) -> Response:
    """Show the exact effect and ask for confirmation; once it is confirmed, carry it out."""
    form = await read_form(visit)
    verb = form.one("do")
    act = _ACTS.get(verb)
    if act is None:
        raise Problem(422, "invalid_request", f"{verb[:40]!r} is not an action on messages.")
    wanted, wrong = _wanted(form)
    if wrong:
        given = {"reason": form.one("reason")}
        return await queues_page(visit, wrong=wrong, given=given, about=act.section)
    if form.one("sure") == "yes":
        await act.carry_out(visit.parts, visit.principal, wanted)
        return visit.to(f"/queues?done={verb}#{act.section}")
    would = await act.carry_out(visit.parts, visit.principal, wanted._replace(dry_run=True))
    context = {
        "verb": verb,
        "act": act,
        "would": would,
        "some": would.ids[:_MOST_SHOWN],
        "everything": not wanted.ids,
        "reason": wanted.reason,
        "most": MOST,
    }
    return page(visit, "sure.html", context)


def _wanted(form: Form) -> tuple[Wanted, list[Violation]]:
    ids, reason = form.many("id")[:MOST], form.one("reason").strip()
    wrong = []
    if not ids and form.one("all") != "yes":
        wrong.append(Violation("id", "required", "operator.choose_some"))
    if not reason or not reason.isprintable() or len(reason) > _LONGEST_REASON:
        wrong.append(Violation("reason", "text", "operator.say_why"))
    everything = form.one("all") == "yes"
    return Wanted([] if everything else [one.replace("\0", "?") for one in ids], reason), wrong
