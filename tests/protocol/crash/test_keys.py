"""API keys are created, rotated and revoked completely or not at all, whatever dies, and are audited."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from shared.access import api_keys
from shared.access.scopes import OWN
from tests.protocol.crash.api_story import play_every_case
from tests.protocol.crash.conftest import OpenStage
from tests.protocol.crash.play import Play
from tests.protocol.crash.stage import Stage

_MUST_BE_THERE = {
    "sql api_keys.create", "sql api_keys.end_after", "sql api_keys.revoke", "sql audit.record", "COMMIT",
}  # fmt: skip


class Keys:
    """The story: a key is made, followed by another and revoked, each asked for until it is answered."""

    def __init__(self, stage: Stage) -> None:
        self._key = api_keys.create_key(stage.conn, tenant="default", name="admin", scopes=OWN)
        self._told = 0

    def __call__(self, story: Play) -> None:
        """Tell it once more."""
        self._told += 1
        stage, again, name = story.stage, f"{story.run}-{self._told}", f"k{self._told}"

        def asked(path: str, body: Mapping[str, object] | None = None, method: str = "POST") -> tuple[int, Any] | None:
            headers = {"Authorization": f"Bearer {self._key}", "Idempotency_Key": again}
            answer = stage.ask(path, body, method=method, **headers)
            return answer if 200 <= answer[0] < 300 else None

        made = story.until(lambda: asked("/v1/keys", {"name": name, "scopes": ["jobs:read"]}), what="a key is made")
        assert made is not None
        key_id = made[1]["keyId"]
        followed = story.until(lambda: asked(f"/v1/keys/{key_id}:rotate"), what="it is followed")
        assert followed is not None
        assert followed[1]["replaces"] == key_id
        story.until(lambda: asked(f"/v1/keys/{key_id}", method="DELETE"), what="it is revoked")
        found = [key for key in api_keys.list_keys(stage.conn, "default", size=1_000) if key.name == name]
        assert [(key.id, key.revoked_at is None) for key in found] == [(followed[1]["keyId"], True), (key_id, False)]


@pytest.mark.timeout(900)
def test_a_key_is_made_followed_and_revoked_whole_or_not_at_all(
    open_stage: OpenStage, tell: Callable[[str], None]
) -> None:
    tell(play_every_case(open_stage, "keys", Keys, must_show=_MUST_BE_THERE))
