"""AWS sessions share public data and nothing else."""

import pytest

from shared.runtime import aws


def test_a_second_client_reads_no_description_again() -> None:
    first, second = (aws.new_session().client("sqs", region_name="eu-central-1") for _ in range(2))

    assert first.meta.service_model.operation_names == second.meta.service_model.operation_names
    assert first.meta.service_model._service_description is second.meta.service_model._service_description


def test_each_session_has_the_credentials_of_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    found = []
    for key in ("first", "second"):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
        credentials = aws.new_session().get_credentials()
        assert credentials is not None
        found.append(credentials.access_key)

    assert found == ["first", "second"]
