"""`todoke-server keys link` creates a link completely or not at all, whatever dies, and audits it."""

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.access import api_keys, sign_in_codes
from tests.protocol.crash.actor import Actor
from tests.protocol.crash.api_story import FAULTS
from tests.protocol.crash.matrix import Effect, cases
from tests.protocol.crash.stage import Stage
from tests.support.faults.plan import KILLS, Fault, Hit
from tests.support.processes.zygote import Zygote

_EFFECTS = ("sql sign_in_codes.create", "sql audit.record", "COMMIT")
_LINK = re.compile(r"https://reports\.example/console/sign-in#code=(\S+)\n")


def _told(stage: Stage, actor: Actor) -> tuple[int, str]:
    """The exit code of the command, and what it printed."""
    log = stage.folder / f"{actor.name}.log"
    before = log.stat().st_size if log.exists() else 0
    process = actor.start(
        "keys", "link", "--tenant", "default", "--name", "ann", "--url", "https://reports.example"
    )  # fmt: skip
    code = process.wait(60)
    return code, log.read_bytes()[before:].decode()


def _hashes(conn: Connection) -> set[bytes]:
    return {bytes(one) for one in conn.execute(text("SELECT code_sha256 FROM sign_in_codes")).scalars()}


@pytest.mark.timeout(300)
def test_a_link_is_there_with_its_entry_in_the_trail_or_not_at_all(
    zygote: Zygote, conn: Connection, database_url: str, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    api_keys.create_key(conn, tenant="default", name="ann")
    (tmp_path / "stage").mkdir()
    stage = Stage(zygote, conn, tmp_path / "stage", database_urls={}, source_url=database_url)
    with closing(Actor(stage, "cli", database_url)) as actor:
        played = [case for case in cases([Effect("cli", name, []) for name in _EFFECTS]) if case.fault in FAULTS]
        for case in played:
            before = _hashes(conn)
            actor.arm({Hit(case.effect.name, 1): case.fault})
            code, printed = _told(stage, actor)

            assert [one.fault for one in actor.carried_out()] == [case.fault], case
            new = _hashes(conn) - before
            happened = case.effect.name == "COMMIT" and case.fault in {Fault.KILL_AFTER, Fault.REPLY_LOST}
            assert (code == -9) == (case.fault in KILLS), (case, code, printed)
            assert (code != 0, _LINK.search(printed)) == (True, None), f"{case}: a link that nobody vouches for"
            assert len(new) == happened, case
            trail = conn.execute(text("SELECT count(*) FROM audit WHERE action = 'keys.link'")).scalar_one()
            assert trail == len(_hashes(conn)), case

        actor.arm({})
        code, printed = _told(stage, actor)
        found = _LINK.search(printed)
        assert (code, found is not None) == (0, True), printed
        assert found is not None
        assert sign_in_codes.redeem(conn, sign_in_codes.read_code(found[1])) is not None
    tell(f"{len(_EFFECTS)} effects of links, {len(played)} cases")
