"""Wherever a method takes a job, what another method returned will do."""

import httpx2
import pytest

from tests.client.conftest import Make
from tests.client.samples import JOB_ID, job
from todoke import NotFound


def test_what_became_of_one_submission_of_many_is_waited_for_like_any_job(make: Make) -> None:
    refused = {"status": 404, "code": "unknown_report_type", "detail": "There is none."}

    def handler(request: httpx2.Request) -> httpx2.Response:
        if request.method == "POST":
            none = {"status": 404, "replayed": False, "job": None, "problem": refused}
            one = {"status": 202, "replayed": False, "job": job(), "problem": None}
            return httpx2.Response(200, json={"results": [one, none]})
        assert request.url.path == f"/v1/jobs/{JOB_ID}"
        return httpx2.Response(200, json=job("SUCCESS"))

    todoke = make(handler=handler)
    accepted, not_accepted = todoke.jobs.create_many([{"report_type": "calendar"}, {"report_type": "nothing"}])

    assert accepted.id == JOB_ID
    assert todoke.jobs.wait(accepted).status == "SUCCESS"
    with pytest.raises(NotFound, match="There is none"):
        todoke.jobs.wait(not_accepted)
