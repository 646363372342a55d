"""Content negotiation for links: JSON or the file."""

import pytest

from services.api.http.accept import rather_json

CSV = "text/csv; charset=utf-8"


@pytest.mark.parametrize(
    "accept",
    ["application/json", "Application/JSON;q=0.5", "application/*", "application/json, text/html",
     "text/csv;q=0, application/json", "*/*;q=0, application/json", "application/json;charset=utf-8"],
)  # fmt: skip
def test_json_and_not_the_file(accept: str) -> None:
    assert rather_json(accept, CSV)


@pytest.mark.parametrize(
    "accept",
    ["", "*/*", "text/*", "text/csv", "application/json, text/plain, */*", "application/json, text/csv;q=0.1",
     "application/json;q=0", "text/html,application/xhtml+xml,*/*;q=0.8", "nonsense", ";;,,=",
     "application/json;q=0.0"],
)  # fmt: skip
def test_the_file(accept: str) -> None:
    assert not rather_json(accept, CSV)


def test_a_file_that_is_json_itself_is_what_was_asked_for() -> None:
    assert not rather_json("application/json", "application/json")
