"""The outbox: each row is claimed once, returned after a crash, and never skipped by the floor."""

from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

from shared.database.engine import transactional
from shared.outbox import messages, parked
from shared.outbox.floor import Floor, Pass
from shared.outbox.messages import Unsent
from tests.support.jobs import count

_INSERT = text("""
    INSERT INTO outbox (topic, group_key, payload) SELECT 'jobs', 't', 'm' || g FROM generate_series(1, :n) g
""")


def test_two_relays_never_claim_the_same_row(engine: Engine, conn: Connection) -> None:
    conn.execute(_INSERT, {"n": 100})
    with transactional(engine).connect() as one, transactional(engine).connect() as two:
        first = messages.claim(one, floor=0, limit=60)
        second = messages.claim(two, floor=0, limit=60)
        one.commit()
        two.commit()

    assert (len(first), len(second)) == (60, 40)
    assert not {r.id for r in first} & {r.id for r in second}
    assert count(conn, "outbox") == 0


def test_the_limit_holds_whatever_plan_the_database_chooses(engine: Engine, conn: Connection) -> None:
    conn.execute(_INSERT, {"n": 1000})
    with transactional(engine).connect() as relay:
        relay.execute(text("SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off"))
        assert len(messages.claim(relay, floor=0, limit=10)) == 10
        relay.rollback()


def test_a_crash_between_claim_and_commit_brings_the_rows_back(engine: Engine, conn: Connection) -> None:
    conn.execute(_INSERT, {"n": 3})
    with transactional(engine).connect() as relay:
        messages.claim(relay, floor=0, limit=10)
        relay.rollback()

    assert count(conn, "outbox") == 3


def test_what_the_queue_refused_is_kept_in_the_claiming_transaction(engine: Engine, conn: Connection) -> None:
    conn.execute(_INSERT, {"n": 3})
    with transactional(engine).connect() as relay:
        rows = messages.claim(relay, floor=0, limit=10)
        messages.keep(relay, [Unsent(rows[0], "Throttled", 0, parked=False), Unsent(rows[1], "Bad", 0, parked=True)])
        messages.commit_may_be_lost(relay)
        relay.commit()

    assert messages.count_kept(conn) == (1, 1)
    (due,) = messages.claim_due(conn, limit=10)
    assert (due.payload, due.attempts) == (rows[0].payload, 1)
    assert messages.claim_due(conn, limit=10) == []


def test_whatever_the_queue_says_of_a_message_is_kept_with_it(engine: Engine, conn: Connection) -> None:
    """Or the pass would fail, and the next, and nothing leave any more."""
    conn.execute(_INSERT, {"n": 1})
    with transactional(engine).begin() as relay:
        [row] = messages.claim(relay, floor=0, limit=10)
        messages.keep(relay, [Unsent(row, "Bad: it says a\0b and \ud83d", 0, parked=True)])

    assert parked.parked(conn)[0].last_error == "Bad: it says a?b and ?"


def test_a_message_is_not_due_before_its_time(conn: Connection) -> None:
    messages.keep(conn, [Unsent(messages.OutboxRow(1, "jobs", "t", "m", None), "later", 60, parked=False)])

    assert messages.claim_due(conn, limit=10) == []


def test_the_oldest_age_is_the_databases(conn: Connection) -> None:
    assert messages.backlog(conn, floor=0) == messages.Backlog(unsent=0, oldest_age_s=0)
    conn.execute(_INSERT, {"n": 1})
    conn.execute(text("UPDATE outbox SET created_at = created_at - interval '90 s'"))

    assert 89 < messages.backlog(conn, floor=0).oldest_age_s < 200


def test_the_floor_rises_over_what_has_left(engine: Engine, conn: Connection) -> None:
    conn.execute(_INSERT, {"n": 10})
    messages.claim(conn, floor=0, limit=10)
    floor = Floor()
    floor.advance(conn)

    assert floor.settled == 10


def test_the_floor_stays_below_a_row_that_is_still_there(conn: Connection) -> None:
    conn.execute(_INSERT, {"n": 10})
    messages.claim(conn, floor=0, limit=4)
    floor = Floor()
    floor.advance(conn)

    assert floor.settled == 4


def test_the_floor_stays_below_rows_that_a_dying_relay_holds(engine: Engine, conn: Connection) -> None:
    conn.execute(_INSERT, {"n": 10})
    floor = Floor()
    with transactional(engine).connect() as dying:
        messages.claim(dying, floor=0, limit=10)
        floor.advance(conn)
        assert floor.settled == 0
        dying.rollback()


def test_the_floor_waits_for_a_transaction_that_has_drawn_its_id_and_not_committed(
    engine: Engine, conn: Connection
) -> None:
    floor = Floor()
    with transactional(engine).connect() as late:
        late.execute(_INSERT, {"n": 1})  # id 1
        conn.execute(_INSERT, {"n": 9})  # ids 2 to 10, committed and sent first
        messages.claim(conn, floor=0, limit=10)
        floor.advance(conn)
        assert floor.settled == 0
        late.commit()
    floor.advance(conn)

    assert floor.settled == 0  # row 1 is alive
    assert [r.id for r in messages.claim(conn, floor=floor.settled, limit=10)] == [1]
    floor.advance(conn)
    assert floor.settled == 10


def test_the_row_takes_its_transaction_id_before_its_number(conn: Connection) -> None:
    """The floor's proof needs it, and column order decides it."""
    columns = conn.execute(
        text("SELECT column_name FROM information_schema.columns WHERE table_name = 'outbox' ORDER BY ordinal_position")
    ).scalars()

    assert list(columns)[:2] == ["xid", "id"]


def test_most_passes_are_recent_and_the_settled_one_comes_round() -> None:
    floor = Floor(settle_every_s=0.3, audit_every_s=1000)
    floor.claimed(50)

    assert floor.next_pass(now=0)[0] is Pass.SETTLED
    assert floor.next_pass(now=0.1) == (Pass.RECENT, 50)
    assert floor.next_pass(now=0.4)[0] is Pass.SETTLED


def test_while_every_id_is_settled_it_is_looked_at_seldom_and_a_claim_ends_that(conn: Connection) -> None:
    floor = Floor(settle_every_s=0.3, rest_s=3, audit_every_s=1000)
    assert floor.next_pass(now=0)[0] is Pass.SETTLED
    floor.advance(conn)
    assert floor.next_pass(now=0.4)[0] is Pass.SETTLED

    assert floor.next_pass(now=3)[0] is Pass.RECENT
    assert floor.next_pass(now=3.5)[0] is Pass.SETTLED
    floor.claimed(1)
    assert floor.next_pass(now=3.6)[0] is Pass.SETTLED
    assert floor.next_pass(now=4)[0] is Pass.SETTLED


def test_an_id_that_was_drawn_and_is_not_committed_keeps_the_floor_awake(engine: Engine, conn: Connection) -> None:
    floor = Floor(settle_every_s=0.3, rest_s=3, audit_every_s=1000)
    floor.advance(conn)
    floor.next_pass(now=0)
    with transactional(engine).connect() as late:
        late.execute(_INSERT, {"n": 1})
        floor.advance(conn)

        assert floor.next_pass(now=3.5)[0] is Pass.SETTLED
        assert floor.next_pass(now=4)[0] is Pass.SETTLED
        late.rollback()
