"""Authentication: the principal of a key, of no key, and what is cached about it."""

import asyncio
import hashlib

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from services.api.auth.access import Access, RateLimited, Unauthorized
from services.api.auth.keys import Keys
from services.api.auth.principal import ANONYMOUS, Principal
from services.api.auth.rate_limit import RateLimit
from services.api.auth.shared_rate import SharedRate
from shared.access import api_keys
from shared.access.key_text import new_key, read_key
from shared.access.scopes import USUAL

UNKNOWN = f"Bearer {new_key('live')}"


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_without_keys_everybody_is_the_default_tenant() -> None:
    assert asyncio.run(Access(None).principal(None)) is ANONYMOUS
    assert Principal("default", None, None) == ANONYMOUS


def test_a_key_stands_for_its_tenant_and_its_name(engine: Engine, conn: Connection) -> None:
    key = api_keys.create_key(conn, tenant="acme", name="ci")

    principal = asyncio.run(Access(Keys(engine)).principal(f"Bearer {key}"))
    assert principal == Principal("acme", "ci", USUAL, read_key(key).id)


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer  ", "Basic x", "Bearer wrong", pytest.param(UNKNOWN, id="an unknown key")],
)
def test_no_other_header_stands_for_anybody(header: str | None, engine: Engine) -> None:
    with pytest.raises(Unauthorized):
        asyncio.run(Access(Keys(engine)).principal(header))


def test_a_valid_key_is_looked_up_once_in_ten_seconds_and_never_kept_itself(engine: Engine, conn: Connection) -> None:
    key = api_keys.create_key(conn, tenant="acme", name="ci")
    asked: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda c, cur, sql, *_: asked.append(sql))
    clock = Clock()
    keys, text = Keys(engine, clock), read_key(key)
    wrong = read_key(new_key("live"))

    async def ask() -> None:
        for _ in range(5):
            assert await keys.principal_of(text)
        assert len(asked) == 1
        clock.now += 11
        assert await keys.principal_of(text)
        assert len(asked) == 2
        for _ in range(2):
            assert await keys.principal_of(wrong) is None
        assert len(asked) == 3, "a wrong key is remembered as well, for as long"

    asyncio.run(ask())
    assert list(keys._known._by_hash) == [hashlib.sha256(key.encode()).digest()]


def test_a_tenant_has_one_limit_whatever_its_keys(engine: Engine, conn: Connection) -> None:
    keys = [api_keys.create_key(conn, tenant="acme", name=name) for name in ("ci", "cron")]
    access = Access(Keys(engine), SharedRate(RateLimit(0.01, 1), engine))

    async def ask() -> None:
        assert (await access.principal(f"Bearer {keys[0]}")).subject == "ci"
        with pytest.raises(RateLimited) as refused:
            await access.principal(f"Bearer {keys[1]}")
        assert 90 < refused.value.wait_s <= 100

    asyncio.run(ask())
