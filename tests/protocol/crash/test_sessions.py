"""Sessions of the console begin and end completely or not at all, whatever dies, and are audited."""

import re
from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from sqlalchemy import text

from services.api.auth.sessions import form_token
from shared.access import api_keys, sign_in_codes
from shared.access.key_text import read_key
from tests.protocol.crash.api_story import play_every_case
from tests.protocol.crash.conftest import OpenStage
from tests.protocol.crash.play import Play
from tests.protocol.crash.stage import Stage

_MUST_BE_THERE = {"sql sessions.begin", "sql sessions.end", "sql sign_in_codes.redeem", "sql audit.record", "COMMIT"}


class Sessions:
    """The story: somebody signs in to the console with a key and out, then with a link, until each is answered."""

    def __init__(self, stage: Stage) -> None:
        self._key = api_keys.create_key(stage.conn, tenant="default", name="ann")
        self._links = 0

    def __call__(self, story: Play) -> None:
        """Tell it once more."""
        stage = story.stage

        def signed_in() -> str | None:
            status, cookies = stage.post_form("/console/sign-in", urlencode({"key": self._key}))
            found = re.match(r"todoke-session=([^;]+)", cookies)
            return found[1] if status == 303 and found else None

        def signed_out(cookie: str) -> bool:
            form = urlencode({"proof": form_token(cookie)})
            return stage.post_form("/console/sign-out", form, cookie=f"todoke-session={cookie}")[0] == 303

        def with_a_link() -> bool:
            # An answer that was lost has used the link up, and nobody has its session: then one asks for another.
            code = sign_in_codes.new_code()
            self._links += 1
            sign_in_codes.create(stage.conn, code, tenant="default", key_id=read_key(self._key).id)
            before = _sessions(stage)
            status, _ = stage.post_form("/console/sign-in", urlencode({"key": code.text}))
            left = stage.conn.execute(
                text("SELECT count(*) FROM sign_in_codes WHERE code_sha256 = :hash"), {"hash": code.sha256}
            ).scalar_one()
            assert (status, left) != (303, 1), "somebody is in, and the link still works"
            return status == 303 and _sessions(stage) > before

        cookie = story.until(signed_in, what="somebody signs in")
        assert cookie is not None
        story.until(lambda: signed_out(cookie), what="and out")
        story.until(with_a_link, what="and in again with a link")
        # An answer that was lost leaves a session whose cookie nobody has: it ends by the clock.
        left, begun, ended = stage.conn.execute(
            text("""
                SELECT (SELECT count(*) FROM console_sessions),
                       count(*) FILTER (WHERE action = 'sessions.begin'),
                       count(*) FILTER (WHERE action = 'sessions.end') FROM audit
            """)
        ).one()
        assert left == begun - ended
        # Each link that is gone has opened a session.
        links, with_links = stage.conn.execute(
            text("""
                SELECT (SELECT count(*) FROM sign_in_codes),
                       (SELECT count(*) FROM audit WHERE after ->> 'with' = 'link')
            """)
        ).one()
        assert self._links - links == with_links


def _sessions(stage: Stage) -> int:
    return int(stage.conn.execute(text("SELECT count(*) FROM console_sessions")).scalar_one())


@pytest.mark.timeout(900)
def test_a_session_begins_and_ends_whole_or_not_at_all(open_stage: OpenStage, tell: Callable[[str], None]) -> None:
    tell(play_every_case(open_stage, "sessions", Sessions, must_show=_MUST_BE_THERE))
