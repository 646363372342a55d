"""The stress test that showed why the floor needs a transaction id: exactly what was committed is sent."""

import pytest
from sqlalchemy.engine import Engine

from tests.support.faults.storm import Outcome, Storm


def _whole(outcome: Outcome) -> None:
    assert outcome.left == 0
    assert outcome.violations == 0
    assert set(outcome.received) == outcome.committed
    assert outcome.rolled_back


@pytest.mark.parametrize("seed", [1, 2])
def test_under_rollbacks_late_commits_and_crashing_relays_nothing_is_lost_or_invented(
    engine: Engine, database_url: str, seed: int
) -> None:
    _whole(Storm(engine, database_url, rows=3_000, seed=seed, largest=5).run())


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_two_hundred_thousand_rows_leave_a_small_table(engine: Engine, database_url: str) -> None:
    outcome = Storm(engine, database_url, rows=200_000, seed=3, largest=40).run()

    _whole(outcome)
    assert outcome.crashes
    # Dead rows make place for new ones, although snapshots are held most of the time.
    assert outcome.table_bytes < outcome.all_rows_bytes / 2
    twice = outcome.received.total() - len(outcome.received)
    print(
        f"\n{len(outcome.committed):,} rows committed, {outcome.rolled_back:,} rolled back, {outcome.crashes} relays "
        f"crashed, {twice:,} sent twice, none lost, none invented, none below a floor; "
        f"table {outcome.table_bytes / 1e6:.1f} MB of {outcome.all_rows_bytes / 1e6:.1f} MB"
    )
