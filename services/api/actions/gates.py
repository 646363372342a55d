"""Pause, resume and cap report types, tenants and sources. For operators, across all tenants."""

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from sqlalchemy.engine import Connection

from services.api.actions.auditing import audited
from services.api.actions.errors import GateResuming, PreconditionFailed, UnknownGate
from services.api.actions.parts import Parts
from services.api.actions.transactions import in_one_transaction
from services.api.auth.principal import Principal
from shared import json_text
from shared.access.audit import Action
from shared.access.scopes import Scope
from shared.access.tenants import tenant_problem
from shared.catalog.model import CatalogView
from shared.jobs import caps, gates, pauses, queue_caps
from shared.jobs.caps import Cap
from shared.jobs.gates import Gate, Kind
from shared.jobs.pauses import Pause
from shared.jobs.queue_caps import QueueCap
from shared.suggest import did_you_mean

Insists = Callable[[str], bool] | None
"""Given the current revision, says whether the change may be made; None allows any revision."""

MOST_RUNNING = 1_000
"""The highest cap: each of its places is a row."""


class WantedPause(NamedTuple):
    """Why to pause, and until when; None until somebody resumes it."""

    reason: str
    until: datetime | None


@dataclass(frozen=True, slots=True)
class OpenGate:
    """The state of one gate."""

    gate: Gate
    pause: Pause | None
    cap: Cap | None
    queue_cap: QueueCap | None = None
    """Only a tenant has one."""
    unfinished: int | None = None
    """How many jobs of a tenant with a queue cap are unfinished; None if they were not counted."""

    @property
    def revision(self) -> str:
        """A value that changes with every setting of an operator, but not with what is running."""
        most = [None if self.cap is None else self.cap.running, None if self.queue_cap is None else self.queue_cap.most]
        paused = None if self.pause is None else list(map(str, self.pause[1:]))
        told = json_text.write([str(self.gate), paused, most])
        return hashlib.sha256(told.encode()).hexdigest()[:24]


async def list_all(parts: Parts, principal: Principal, kind: Kind | None = None) -> Sequence[OpenGate]:
    """List every paused or capped gate of that kind, by kind and name."""

    def look(conn: Connection) -> Sequence[OpenGate]:
        paused = {one.gate: one for one in pauses.pauses(conn)}
        capped = {one.gate: one for one in caps.caps(conn)}
        queues = {Gate(Kind.TENANT, one.tenant): one for one in queue_caps.queue_caps(conn)}
        found = sorted(gate for gate in {*paused, *capped, *queues} if kind in (None, gate.kind))
        return [OpenGate(gate, paused.get(gate), capped.get(gate), queues.get(gate)) for gate in found]

    principal.need(Scope.ADMIN_READ)
    return await in_one_transaction(parts, look)


async def get(parts: Parts, principal: Principal, gate: Gate) -> OpenGate:
    """Return the state of the gate, which may be neither paused nor capped.

    Raises UnknownGate for a name that no gate can have.
    """
    principal.need(Scope.ADMIN_READ)
    _check_name(gate)
    return await in_one_transaction(parts, lambda conn: _counted(conn, _state(conn, gate)))


async def pause(
    parts: Parts, principal: Principal, gate: Gate, wanted: WantedPause, *, insists: Insists = None
) -> OpenGate:
    """Start no more of its jobs; the deadlines of waiting jobs stand still.

    If it is paused already, it gets the new reason. Raises UnknownGate, GateResuming and PreconditionFailed.
    """

    def carry_out(conn: Connection) -> OpenGate:
        before = _hold(conn, gate, insists)
        by = principal.subject or "api"
        if pauses.pause(conn, gate, reason=wanted.reason, by=by, until=wanted.until) is None:
            raise GateResuming(str(gate))
        after = _state(conn, gate)
        if after.revision != before.revision:
            told = {"reason": wanted.reason, "until": wanted.until and wanted.until.isoformat()}
            audited(conn, principal, Action.GATES_PAUSE, _object(gate), before=_told(before.pause), after=told)
        return after

    principal.need(Scope.ADMIN_WRITE)
    _check_exists(gate, parts.catalog)
    return await in_one_transaction(parts, carry_out)


async def resume(parts: Parts, principal: Principal, gate: Gate, *, insists: Insists = None) -> OpenGate:
    """End its pause; a gate that is not paused is left as it is.

    Its jobs start once each has been given back the time for which it stood still. Raises UnknownGate and
    PreconditionFailed.
    """

    def carry_out(conn: Connection) -> OpenGate:
        before = _hold(conn, gate, insists)
        if before.pause is None or before.pause.ended_at is not None:
            return before
        pauses.resume(conn, gate)
        audited(conn, principal, Action.GATES_RESUME, _object(gate), before=_told(before.pause))
        return _state(conn, gate)

    principal.need(Scope.ADMIN_WRITE)
    _check_name(gate)
    return await in_one_transaction(parts, carry_out)


async def set_cap(
    parts: Parts, principal: Principal, gate: Gate, most_running: int, *, insists: Insists = None
) -> OpenGate:
    """Limit how many of its jobs run at the same time. Running jobs continue, and count.

    Raises UnknownGate and PreconditionFailed.
    """

    def carry_out(conn: Connection) -> None:
        before = _hold(conn, gate, insists)
        caps.set_cap(conn, gate, most_running)
        was = None if before.cap is None else {"mostRunning": before.cap.running}
        if was != {"mostRunning": most_running}:
            after = {"mostRunning": most_running}
            audited(conn, principal, Action.GATES_CAP, _object(gate), before=was, after=after)

    def count(conn: Connection) -> OpenGate:
        # After the commit: only then does every job that starts take a place by itself.
        caps.count_running(conn, gate)
        return _state(conn, gate)

    principal.need(Scope.ADMIN_WRITE)
    _check_exists(gate, parts.catalog)
    await in_one_transaction(parts, carry_out)
    return await in_one_transaction(parts, count)


async def remove_cap(parts: Parts, principal: Principal, gate: Gate, *, insists: Insists = None) -> None:
    """Remove the limit on running jobs; a gate without a cap is left as it is.

    Raises UnknownGate and PreconditionFailed.
    """

    def carry_out(conn: Connection) -> None:
        before = _hold(conn, gate, insists)
        if before.cap is not None and caps.remove_cap(conn, gate):
            was = {"mostRunning": before.cap.running}
            audited(conn, principal, Action.GATES_UNCAP, _object(gate), before=was)

    principal.need(Scope.ADMIN_WRITE)
    _check_name(gate)
    await in_one_transaction(parts, carry_out)


async def set_queue_cap(
    parts: Parts, principal: Principal, tenant: str, most: int, *, insists: Insists = None
) -> OpenGate:
    """Limit how many unfinished jobs the tenant may have. Accepted jobs continue, and count.

    Raises UnknownGate and PreconditionFailed.
    """
    gate = Gate(Kind.TENANT, tenant)

    def carry_out(conn: Connection) -> OpenGate:
        before = _hold(conn, gate, insists)
        queue_caps.set_queue_cap(conn, tenant, most)
        was = None if before.queue_cap is None else {"mostUnfinished": before.queue_cap.most}
        after = {"mostUnfinished": most}
        if was != after:
            audited(conn, principal, Action.GATES_CAP, _object(gate), before=was, after=after)
        return _counted(conn, _state(conn, gate))

    principal.need(Scope.ADMIN_WRITE)
    _check_name(gate)
    return await in_one_transaction(parts, carry_out)


async def remove_queue_cap(parts: Parts, principal: Principal, tenant: str, *, insists: Insists = None) -> None:
    """Remove the limit on unfinished jobs; a tenant without one is left as it is.

    Raises UnknownGate, PreconditionFailed.
    """
    gate = Gate(Kind.TENANT, tenant)

    def carry_out(conn: Connection) -> None:
        before = _hold(conn, gate, insists)
        if before.queue_cap is not None and queue_caps.remove_queue_cap(conn, tenant):
            was = {"mostUnfinished": before.queue_cap.most}
            audited(conn, principal, Action.GATES_UNCAP, _object(gate), before=was)

    principal.need(Scope.ADMIN_WRITE)
    _check_name(gate)
    await in_one_transaction(parts, carry_out)


def _hold(conn: Connection, gate: Gate, insists: Insists) -> OpenGate:
    """Lock the gate and return its state, which nobody else can change until this transaction ends."""
    gates.lock(conn, gate)
    found = _state(conn, gate)
    if insists is not None and not insists(found.revision):
        raise PreconditionFailed
    return found


def _state(conn: Connection, gate: Gate) -> OpenGate:
    queue_cap = queue_caps.queue_cap_of(conn, gate.name) if gate.kind is Kind.TENANT else None
    return OpenGate(gate, pauses.pause_of(conn, gate), caps.cap_of(conn, gate), queue_cap)


def _counted(conn: Connection, found: OpenGate) -> OpenGate:
    """Add the number of unfinished jobs, which is too expensive to count for a list."""
    if found.queue_cap is None:
        return found
    return replace(found, unfinished=queue_caps.count_unfinished(conn, found.gate.name, most=queue_caps.MOST))


def _check_name(gate: Gate) -> None:
    """Refuse a name that no gate can have.

    Names of removed report types and sources are allowed: they may still be paused or capped.
    """
    if gate.kind is Kind.TENANT and (wrong := tenant_problem(gate.name)):
        raise UnknownGate(f"{gate.name[:80]!r} {wrong}.")
    if not gate.name.isprintable() or len(gate.name) > 200:
        raise UnknownGate(f"{gate.name[:80]!r} cannot name a {gate.kind}.")


def _check_exists(gate: Gate, catalog: CatalogView) -> None:
    """Refuse an unknown name: a typing error would pause nothing and report success. Tenants are known by name only."""
    _check_name(gate)
    if gate.kind is Kind.TENANT:
        return
    sources = {report.source for report in catalog.types.values()}
    known: Collection[str] = catalog.types if gate.kind is Kind.REPORT_TYPE else sources
    if gate.name not in known:
        what = str(gate.kind).replace("_", " ")
        raise UnknownGate(f"There is no {what} {gate.name[:60]!r}{did_you_mean(gate.name[:60], known)}")


def _object(gate: Gate) -> str:
    return f"gates/{gate.kind}/{gate.name}"


def _told(pause: Pause | None) -> dict[str, object] | None:
    return None if pause is None else {"reason": pause.reason, "until": pause.until and pause.until.isoformat()}
