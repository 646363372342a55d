"""Schedules in the client: what a change sends, and what is never requested twice."""

import json
from typing import Any

import httpx2
import pytest

from tests.client.conftest import Make
from tests.client.samples import JOB_ID

SCHEDULE: dict[str, Any] = {
    "scheduleId": JOB_ID, "name": "Mondays", "reportType": "calendar", "state": "active", "cron": "0 7 * * MON",
    "timeZone": "Asia/Tokyo", "words": {"en": "at 07:00 on Mondays"}, "coming": [], "version": 2,
}  # fmt: skip


class Answers:
    """Answers each request with the next of its answers, the last one again and again."""

    def __init__(self, *answers: httpx2.Response | type[Exception]) -> None:
        self.answers = list(answers)
        self.asked: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, httpx2.Response):
            return answer
        raise answer("cut off")


def test_a_change_sends_none_as_null_and_leaves_out_what_is_left_out(make: Make) -> None:
    api = Answers(httpx2.Response(200, json=SCHEDULE, headers={"ETag": '"2"'}))
    changed = make(handler=api).schedules.update(JOB_ID, until=None, labels=None, csv={"line_end": "crlf"})

    assert json.loads(api.asked[0].content) == {"until": None, "labels": None, "csv": {"lineEnd": "crlf"}}
    assert (api.asked[0].method, changed.etag, changed.words["en"]) == ("PATCH", '"2"', "at 07:00 on Mondays")


def test_a_new_schedule_leaves_none_out_and_is_made_once_by_all_tries(make: Make) -> None:
    made = httpx2.Response(201, json=SCHEDULE, headers={"Idempotent-Replayed": "true"})
    api = Answers(httpx2.ConnectError, httpx2.Response(503), made)
    schedule = make(handler=api).schedules.create("Mondays", cron="0 7 * * MON", until=None)

    assert json.loads(api.asked[0].content) == {"name": "Mondays", "cron": "0 7 * * MON"}
    assert len({one.headers["idempotency-key"] for one in api.asked}) == 1
    assert (len(api.asked), schedule.replayed, schedule.id) == (3, True, JOB_ID)


def test_a_run_whose_answer_is_lost_is_asked_for_again_by_the_same_name(make: Make) -> None:
    ran = httpx2.Response(202, json={"jobId": JOB_ID}, headers={"Idempotent-Replayed": "true"})
    api = Answers(httpx2.ReadError, httpx2.Response(503), ran)
    found = make(handler=api).schedules.run(JOB_ID)
    assert (found.job_id, found.replayed, len(api.asked)) == (JOB_ID, True, 3)
    assert len({one.headers["idempotency-key"] for one in api.asked}) == 1


def test_a_run_that_was_refused_for_being_one_too_many_is_asked_for_again(make: Make) -> None:
    later = httpx2.Response(429, headers={"Retry-After": "0"})
    api = Answers(later, httpx2.Response(202, json={"jobId": JOB_ID}))

    assert make(handler=api).schedules.run(JOB_ID).job_id == JOB_ID
    assert len(api.asked) == 2


def test_what_is_no_field_of_a_schedule_is_told_before_anything_is_sent(make: Make) -> None:
    api = Answers(httpx2.Response(200, json=SCHEDULE))
    client = make(handler=api)
    with pytest.raises(TypeError, match="'run_at' is not a field of a schedule; choose among name, report_type, "):
        client.schedules.update(JOB_ID, run_at="tomorrow")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"expected a list, such as \['csv'\]"):
        client.schedules.update(JOB_ID, formats="csv")
    with pytest.raises(ValueError, match="'Mondays' is not the id of a schedule"):
        client.schedules.get("Mondays")
    assert api.asked == []


def test_schedules_and_ticks_come_page_by_page(make: Make) -> None:
    first = httpx2.Response(200, json={"schedules": [SCHEDULE], "nextPageToken": "a"})
    last = httpx2.Response(200, json={"schedules": [SCHEDULE, SCHEDULE], "nextPageToken": None})
    api = Answers(first, last)

    assert [one.name for one in make(handler=api).schedules.iter()] == ["Mondays"] * 3
    assert api.asked[1].url.params["pageToken"] == "a"

    tick = {"tick": "2026-01-05T07:00:00+00:00", "cause": "due", "fate": "skipped", "reason": "overlap"}
    api = Answers(httpx2.Response(200, json={"ticks": [tick], "nextPageToken": None}))
    assert [(one.fate, one.reason) for one in make(handler=api).schedules.iter_ticks(JOB_ID)] == [
        ("skipped", "overlap")
    ]
