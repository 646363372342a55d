"""API keys are deleted long after they have ended, once nothing refers to them."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import IntegrityError

from shared.access import api_keys, sessions, sign_in_codes
from shared.access.api_keys import NewKey
from shared.access.key_text import read_key
from shared.database.engine import create_engine
from shared.schedules import due
from shared.schedules.schedule import Owner
from tests.support.postgres.roles import service_urls
from tests.support.schedules import a_schedule

DAY_S = 86_400
YEAR_S = 365 * DAY_S


@pytest.fixture
def relay(database_url: str) -> Iterator[Connection]:
    """With the relay's own rights."""
    engine: Engine = create_engine(service_urls(database_url)["relay"], application_name="todoke-relay")
    with engine.connect() as conn:
        yield conn
    engine.dispose()


def a_key(
    conn: Connection, name: str, *, expired_days: int | None = None, revoked_days: int | None = None,
    replaces: str | None = None,
) -> str:  # fmt: skip
    """The id of a key that ended so many days ago; None: that has not."""
    made = api_keys.make_key(conn, "acme", NewKey(name, replaces=replaces))
    assert made is not None
    ended = {"id": made.key.id, "expired": expired_days, "revoked": revoked_days}
    conn.execute(
        text("UPDATE api_keys SET expires_at = now() - make_interval(days => :expired), "
             "revoked_at = now() - make_interval(days => :revoked) WHERE id = :id"), ended
    )  # fmt: skip
    return made.key.id


def left(conn: Connection) -> set[str]:
    return {key.name for key in api_keys.list_keys(conn, "acme", size=100)}


def forget(conn: Connection, keep_s: float = YEAR_S, slice_size: int = 1_000) -> int:
    """How many went in one walk over all of them."""
    removed, after = 0, ""
    while True:
        found = api_keys.forget(conn, keep_s=keep_s, after=after, slice_size=slice_size)
        removed, after = removed + found.rows, found.next_after
        if not after:
            return removed


def test_keys_leave_when_their_end_is_long_ago_and_no_sooner(conn: Connection, relay: Connection) -> None:
    a_key(conn, "works")
    a_key(conn, "will end", expired_days=-5)
    a_key(conn, "expired lately", expired_days=364)
    a_key(conn, "revoked lately, and expired long ago", expired_days=500, revoked_days=300)
    for n in range(5):
        a_key(conn, f"expired {n}", expired_days=366)
        a_key(conn, f"revoked {n}", revoked_days=366)

    assert forget(relay, slice_size=4) == 10
    assert left(conn) == {"works", "will end", "expired lately", "revoked lately, and expired long ago"}
    assert forget(relay) == 0


def test_the_database_keeps_a_key_that_works_whatever_the_relay_says(conn: Connection, relay: Connection) -> None:
    a_key(conn, "will end", expired_days=-5)
    a_key(conn, "ended", expired_days=29)

    for removal in ("name = 'will end'", "name = 'ended'"):
        with pytest.raises(IntegrityError, match="30 days at least"):
            conn.execute(text(f"DELETE FROM api_keys WHERE {removal}"))
    with pytest.raises(IntegrityError, match="30 days at least"):
        forget(relay, keep_s=0)
    assert left(conn) == {"will end", "ended"}


def test_keys_that_followed_each_other_leave_one_after_the_other(conn: Connection, relay: Connection) -> None:
    first = a_key(conn, "first", expired_days=500)
    second = a_key(conn, "second", expired_days=400, replaces=first)
    third = a_key(conn, "third", replaces=second)

    walks = [forget(relay) for _ in range(3)]

    assert (walks[0], sum(walks)) == (1, 2)
    found = api_keys.get(conn, "acme", third)
    assert found is not None
    assert found.replaces is None


def test_a_schedule_finds_what_followed_its_owners_key_however_long_it_was_paused(
    conn: Connection, relay: Connection
) -> None:
    first = a_key(conn, "first", expired_days=800)
    second = a_key(conn, "second", expired_days=500, replaces=first)
    third = a_key(conn, "third", replaces=second)
    schedule_id = a_schedule(conn, owner=Owner("ann", first, None), first=timedelta(seconds=-1))

    assert forget(relay) == 0
    [one] = due.due(conn, most=1)
    assert one.key_id == third

    conn.execute(text("DELETE FROM schedules WHERE id = :id"), {"id": schedule_id})
    assert sum(forget(relay) for _ in range(2)) == 2


def test_sessions_and_links_of_a_key_leave_with_it(conn: Connection, relay: Connection) -> None:
    key = api_keys.create_key(conn, tenant="acme", name="ann")
    key_id = read_key(key).id
    sessions.begin(conn, b"s" * 32, tenant="acme", who=key_id)
    sign_in_codes.create(conn, sign_in_codes.new_code(), tenant="acme", key_id=key_id)
    conn.execute(text("UPDATE api_keys SET revoked_at = now() - interval '2 years'"))

    assert forget(relay) == 1
    for table in ("console_sessions", "sign_in_codes"):
        assert conn.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() == 0
