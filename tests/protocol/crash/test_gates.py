"""Pauses and caps are applied completely or not at all, whatever dies while an operator sets them, and are audited."""

from collections.abc import Callable

import pytest
from sqlalchemy import text

from shared.access import api_keys
from shared.access.scopes import OF_ALL_TENANTS
from shared.jobs import caps, pauses
from shared.jobs.gates import Gate, Kind
from tests.protocol.crash.api_story import play_every_case
from tests.protocol.crash.conftest import OpenStage
from tests.protocol.crash.play import Play
from tests.protocol.crash.stage import Stage

_MUST_BE_THERE = {
    "sql pauses.begin", "sql pauses.end", "sql caps.set", "sql caps.adopt", "sql caps.remove", "sql audit.record",
    "COMMIT",
}  # fmt: skip
_MOST = 3


class Gates:
    """The story: a tenant is paused, capped, resumed and uncapped, each asked for until it is answered."""

    def __init__(self, stage: Stage) -> None:
        self._key = api_keys.create_key(stage.conn, tenant="default", name="ops", scopes=OF_ALL_TENANTS)
        self._told = 0

    def __call__(self, story: Play) -> None:
        """Tell it once more, of another tenant."""
        self._told += 1
        gate, stage = Gate(Kind.TENANT, f"{story.run}-{self._told}"), story.stage
        place = f"/v1/gates/tenant/{gate.name}"

        def asked(method: str, rest: str, body: object = None) -> bool:
            headers = {"Authorization": f"Bearer {self._key}"}
            return 200 <= stage.ask(f"{place}{rest}", body, method=method, **headers)[0] < 300

        story.until(lambda: asked("POST", ":pause", {"reason": "unpaid"}), what="it is paused")
        story.until(lambda: asked("PUT", "/cap", {"mostRunning": _MOST}), what="it is capped")
        held = pauses.pause_of(stage.conn, gate)
        assert held is not None
        assert (held.reason, held.ended_at) == ("unpaid", None)
        assert caps.room(stage.conn)[gate] == _MOST
        story.until(lambda: asked("POST", ":resume"), what="it is resumed")
        story.until(lambda: pauses.pause_of(stage.conn, gate) is None, what="every job has its time back")
        story.until(lambda: asked("DELETE", "/cap"), what="it is uncapped")
        assert caps.cap_of(stage.conn, gate) is None
        trail = text("SELECT action FROM audit WHERE object = :what ORDER BY id")
        assert stage.conn.execute(trail, {"what": f"gates/tenant/{gate.name}"}).scalars().all() == [
            "gates.pause", "gates.cap", "gates.resume", "gates.uncap",
        ]  # fmt: skip


@pytest.mark.timeout(900)
def test_a_gate_is_paused_and_capped_whole_or_not_at_all(open_stage: OpenStage, tell: Callable[[str], None]) -> None:
    tell(play_every_case(open_stage, "gates", Gates, must_show=_MUST_BE_THERE))
