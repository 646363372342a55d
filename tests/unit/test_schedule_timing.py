"""When schedules are due, with and without changes of the clocks."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from shared.schedules.schedule import Misfire, Terms, Wanted
from shared.schedules.timing import Timing, cron_problem
from shared.schedules.turn import turn

_ID = UUID("01890000-0000-7000-8000-000000000001")
_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def _cron(text: str, zone: str = "Europe/Berlin", **more: object) -> Timing:
    return Timing(text, None, zone, _LONG_AGO, **more)  # type: ignore[arg-type]


def _local(timing: Timing, after: str, count: int) -> list[str]:
    """The next ticks after a moment in UTC, as the zone's clocks show them."""
    ticks = timing.ticks(datetime.fromisoformat(after).replace(tzinfo=UTC))
    return [next(ticks).astimezone(ZoneInfo(timing.zone)).strftime("%m-%d %H:%M%z") for _ in range(count)]


def test_a_cron_expression_means_the_clocks_of_its_zone_in_summer_and_in_winter() -> None:
    assert _local(_cron("0 7 * * MON"), "2026-10-18T00:00", 2) == ["10-19 07:00+0200", "10-26 07:00+0100"]


def test_a_time_that_does_not_exist_runs_once_at_the_next_that_does() -> None:
    # On 29 March 2026 clocks in Berlin go from 02:00 to 03:00.
    assert _local(_cron("30 2 * * *"), "2026-03-28T00:00", 3) == [
        "03-28 02:30+0100", "03-29 03:00+0200", "03-30 02:30+0200",
    ]  # fmt: skip
    assert _local(_cron("0,30 2 * * *"), "2026-03-28T12:00", 2) == ["03-29 03:00+0200", "03-30 02:00+0200"]


def test_a_time_that_comes_twice_runs_once_the_first_time() -> None:
    # On 25 October 2026 it is 02:30 twice, an hour apart.
    assert _local(_cron("30 2 * * *"), "2026-10-24T12:00", 2) == ["10-25 02:30+0200", "10-26 02:30+0100"]
    between_the_two = "2026-10-25T01:10"
    assert _local(_cron("30 2 * * *"), between_the_two, 1) == ["10-26 02:30+0100"]


def test_what_runs_every_so_many_minutes_runs_by_elapsed_time() -> None:
    assert _local(_cron("*/30 * * * *"), "2026-10-25T00:10", 4) == [
        "10-25 02:30+0200", "10-25 02:00+0100", "10-25 02:30+0100", "10-25 03:00+0100",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "zone", ["Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kathmandu", "Africa/Casablanca", "UTC"]
)
@pytest.mark.parametrize("text", ["15 2 * * *", "*/7 1-3 * * *", "0 0 L * *", "59 23 * * SUN"])
def test_ticks_only_ever_move_forward_wherever_they_are_asked_for(text: str, zone: str) -> None:
    timing = _cron(text, zone)
    whole = []
    for tick in timing.ticks(datetime(2026, 3, 1, tzinfo=UTC)):
        whole.append(tick)
        if len(whole) == 300:
            break
    assert whole == sorted(set(whole))
    for before, tick in pairwise(whole):
        # Whoever stands anywhere between two ticks meets the second: a relay that forgot everything goes on the same.
        assert timing.next_tick(before) == tick
        assert timing.next_tick(tick - timedelta(seconds=1)) == tick


def test_every_so_many_seconds_counts_from_where_it_begins() -> None:
    begin = datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC)
    timing = Timing(None, 3600, "UTC", begin)
    assert timing.next_tick(begin - timedelta(days=1)) == begin
    assert timing.next_tick(begin) == begin + timedelta(hours=1)
    assert timing.next_tick(begin + timedelta(minutes=150)) == begin + timedelta(hours=3)


def test_nothing_is_due_after_its_end() -> None:
    timing = _cron("0 7 * * *", "UTC", until=datetime(2026, 5, 2, 7, tzinfo=UTC))
    assert timing.next_tick(datetime(2026, 5, 1, 8, tzinfo=UTC)) == datetime(2026, 5, 2, 7, tzinfo=UTC)
    assert timing.next_tick(datetime(2026, 5, 2, 7, tzinfo=UTC)) is None


def test_jitter_moves_a_tick_by_the_same_seconds_each_time_it_is_asked_for() -> None:
    timing = _cron("0 7 * * *", "UTC", jitter_s=600)
    ticks = [datetime(2026, 5, day, 7, tzinfo=UTC) for day in range(1, 29)]
    late = [timing.due_at(_ID, tick) - tick for tick in ticks]
    assert late == [timing.due_at(_ID, tick) - tick for tick in ticks]
    assert all(timedelta() <= one <= timedelta(minutes=10) for one in late)
    assert len(set(late)) > 10


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("* * * *", "five fields"),
        ("0 0 * * * *", "five fields"),
        ("61 * * * *", "a wrong minute, '61': there are 0 to 59"),
        ("0 0 1--100000000 * *", "a wrong day of the month, '1--100000000': there are 1 to 31"),
        ("0 0 1-100000000 * *", "a wrong day of the month"),
        ("0 0 30 2 *", "names a day that never comes"),
        ("0 0 29 2 MON#5,", "a wrong day of the week, 'MON#5,'"),
        ("0 0 * * ²L", "a wrong day of the week"),
        ("*/0 * * * *", "a wrong minute"),
        ("0 7 * * FUNDAY", "a wrong day of the week, 'FUNDAY': there are 0 to 7 (0 and 7 are Sundays)"),
        ("0 24 32 * *", "a wrong hour, '24': there are 0 to 23"),
        ("1" * 200, "100 characters"),
        (", * * * *", "a wrong minute"),
        ("@daily", 'five fields: write "0 0 * * *"'),
        ("@Weekly", 'five fields: write "0 0 * * 0"'),
        ("@reboot", "five fields (minute, hour"),
        ("0 0 31 4,6,9,11 *", "names a day that never comes"),
    ],
)
def test_a_wrong_expression_is_told_what_is_wrong(text: str, problem: str) -> None:
    assert problem in (cron_problem(text) or "")


@pytest.mark.parametrize("text", ["0 7 * * MON", "*/15 9-17 * * 1-5", "0 0 L * *", "0 0 29 2 *", "30 6 * * MON#1"])
def test_a_right_expression_has_no_problem(text: str) -> None:
    assert cron_problem(text) is None


def _wanted(misfire: Misfire, most: int = 1, every_s: int = 3600) -> Wanted:
    terms = Terms(None, 2, 3600.0, 60, 86_400)
    timing = Timing(None, every_s, "UTC", _LONG_AGO)
    return Wanted("n", "calendar", {}, (), None, None, terms, timing, misfire, most)


_FIRST = datetime(2026, 5, 1, 0, tzinfo=UTC)
_HOUR = timedelta(hours=1)


def test_a_tick_that_is_on_time_runs() -> None:
    for misfire in Misfire:
        assert turn(_ID, _wanted(misfire), _FIRST, _FIRST + timedelta(seconds=59)).tick == _FIRST


def test_of_the_ticks_of_a_week_the_latest_runs_once() -> None:
    now = _FIRST + timedelta(days=7, minutes=30)
    last = _FIRST + timedelta(days=7)
    assert turn(_ID, _wanted(Misfire.RUN_ONCE), _FIRST, now) == (last, (_FIRST, last - _HOUR), last)


def test_of_the_ticks_of_a_week_as_many_run_as_the_schedule_says_oldest_first() -> None:
    now = _FIRST + timedelta(days=7, minutes=30)
    wanted = _wanted(Misfire.RUN_ALL, most=3)
    begun = turn(_ID, wanted, _FIRST, now)
    third_last = _FIRST + timedelta(days=7) - 2 * _HOUR
    assert begun == (third_last, (_FIRST, third_last - _HOUR), third_last)
    second_last = third_last + _HOUR
    assert turn(_ID, wanted, second_last, now) == (second_last, None, second_last)


def test_none_of_the_ticks_of_a_week_runs_where_the_schedule_skips_them_but_one_that_is_on_time_does() -> None:
    wanted = _wanted(Misfire.SKIP)
    last = _FIRST + timedelta(days=7)
    assert turn(_ID, wanted, _FIRST, last + timedelta(minutes=30)) == (None, (_FIRST, last), last)
    assert turn(_ID, wanted, _FIRST, last + timedelta(seconds=30)) == (last, (_FIRST, last - _HOUR), last)


def test_years_of_missed_minutes_cost_no_more_than_a_few() -> None:
    # The bound is the number of ticks that are made, which the day that is looked at has.
    timing = _cron("* * * * *", "UTC")
    now = datetime(2026, 5, 1, tzinfo=UTC)
    assert timing.latest(_LONG_AGO, now, 3) == [now - timedelta(minutes=2), now - timedelta(minutes=1), now]
