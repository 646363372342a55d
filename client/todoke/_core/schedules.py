"""Requests about schedules."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from todoke._core.config import Config
from todoke._core.jobs import key_header, listed, matching, replayed_by
from todoke._core.paging import every
from todoke._core.requests import Request, content_of, id_segment, send
from todoke._core.steps import Flow
from todoke.schedule_options import schedule_fields
from todoke.schedule_values import Backfill, Schedule, SchedulePlan, ScheduleRun, SchedulesPage, TicksPage

Moment = datetime | str
_ALL = "/v1/schedules"


def create(config: Config, given: Mapping[str, Any], *, idempotency_key: str | None) -> Flow[Schedule]:
    """Create a schedule."""
    headers, fine = key_header(idempotency_key), frozenset({201})
    answer = yield from send(config, Request("POST", _ALL, body=_new(given), headers=headers, fine=fine))
    etag, replayed = answer.headers.get("etag"), replayed_by(answer.headers)
    return Schedule.from_json(content_of(answer), etag=etag, replayed=replayed)


def preview(config: Config, given: Mapping[str, Any]) -> Flow[SchedulePlan]:
    """Preview a schedule."""
    answer = yield from send(config, Request("POST", f"{_ALL}:preview", body=_new(given)))
    return SchedulePlan.from_json(content_of(answer))


def get(config: Config, schedule: object) -> Flow[Schedule]:
    """One schedule."""
    return (yield from _schedule(config, Request("GET", _path(schedule))))


def list_page(config: Config, *, page_size: int | None, page_token: str | None) -> Flow[SchedulesPage]:
    """One page of schedules."""
    query = {"pageSize": page_size, "pageToken": page_token}
    return SchedulesPage.from_json(content_of((yield from send(config, Request("GET", _ALL, query=query)))))


def iterate(config: Config, *, page_size: int | None) -> Flow[None]:
    """Emit every schedule, page by page."""
    yield from every(
        lambda token: list_page(config, page_size=page_size, page_token=token), lambda page: page.schedules
    )


def update(config: Config, schedule: object, given: Mapping[str, Any], *, if_match: str | None) -> Flow[Schedule]:
    """Change the given fields."""
    return (yield from _schedule(config, _change("PATCH", _path(schedule), if_match, _fields(given))))


def delete(config: Config, schedule: object, *, if_match: str | None) -> Flow[None]:
    """Delete a schedule."""
    headers, fine = matching(if_match), frozenset({204})
    yield from send(config, Request("DELETE", _path(schedule), headers=headers, fine=fine))


def pause(config: Config, schedule: object, *, note: str | None, if_match: str | None) -> Flow[Schedule]:
    """Pause a schedule."""
    body = {} if note is None else {"note": note}
    return (yield from _schedule(config, _change("POST", _path(schedule, ":pause"), if_match, body)))


def resume(config: Config, schedule: object, *, if_match: str | None) -> Flow[Schedule]:
    """Resume a schedule."""
    return (yield from _schedule(config, _change("POST", _path(schedule, ":resume"), if_match)))


def run(config: Config, schedule: object, *, idempotency_key: str | None) -> Flow[ScheduleRun]:
    """Submit its job now."""
    headers, fine = key_header(idempotency_key), frozenset({202})
    answer = yield from send(config, Request("POST", _path(schedule, ":run"), headers=headers, fine=fine))
    return ScheduleRun.from_json(content_of(answer), replayed=replayed_by(answer.headers))


def backfill(config: Config, schedule: object, begin: Moment, end: Moment) -> Flow[Backfill]:
    """Submit the jobs of the ticks in a range that had none."""
    body = {"from": begin, "to": end}
    request = Request("POST", _path(schedule, ":backfill"), body=body, fine=frozenset({202}))
    return Backfill.from_json(content_of((yield from send(config, request))))


def ticks(config: Config, schedule: object, *, page_size: int | None, page_token: str | None) -> Flow[TicksPage]:
    """One page of a schedule's history."""
    query = {"pageSize": page_size, "pageToken": page_token}
    request = Request("GET", _path(schedule, "/ticks"), query=query)
    return TicksPage.from_json(content_of((yield from send(config, request))))


def iterate_ticks(config: Config, schedule: object, *, page_size: int | None) -> Flow[None]:
    """Emit every tick of a schedule's history, page by page."""
    yield from every(
        lambda token: ticks(config, schedule, page_size=page_size, page_token=token), lambda page: page.ticks
    )


def _schedule(config: Config, request: Request) -> Flow[Schedule]:
    answer = yield from send(config, request)
    return Schedule.from_json(content_of(answer), etag=answer.headers.get("etag"))


def _change(method: str, path: str, if_match: str | None, body: Mapping[str, Any] | None = None) -> Request:
    return Request(method, path, body=body, headers=matching(if_match))


def _new(given: Mapping[str, Any]) -> dict[str, object]:
    """Leave out what is None: the meaning is the same, and the body shorter."""
    return _fields({name: value for name, value in given.items() if value is not None})


def _fields(given: Mapping[str, Any]) -> dict[str, object]:
    fields = schedule_fields(given)
    for name in ("formats", "columns", "sort"):
        if isinstance(fields.get(name), Iterable):
            fields[name] = listed(given[name])
    return fields


def _path(schedule: object, rest: str = "") -> str:
    return f"{_ALL}/{id_segment(schedule, 'schedule')}{rest}"
