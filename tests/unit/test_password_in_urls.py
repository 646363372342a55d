"""A URL whose password is not percent-encoded is refused at the start, and no message quotes it."""

from collections.abc import Mapping

import pytest

from services.api.settings import ApiSettings
from services.relay.settings import RelaySettings
from services.worker.settings import WorkerSettings
from shared.database.libpq import may_show_its_password
from shared.runtime.settings import Settings, SettingsError

QUEUE = {"SQS_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/123456789012/todoke"}
DATABASE = {"DATABASE_URL": "postgresql://u:p@h/d"}


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p@host/d", "postgresql://u:p%40%2F%3f%25%20@host:5432/d?sslmode=require", "postgresql:///d",
        "postgresql://u:p@[::1]:5432/d", "postgresql://u@one:1,two:2/d", "postgresql://host/d?user=a%40b",
        "host=h user=u password='p q'", "postgresql://u:p;!*()'=&+$,:~#@host/d",
    ],
)  # fmt: skip
def test_what_libpq_reads_as_it_is_meant_may_be_told(url: str) -> None:
    assert not may_show_its_password(url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p@p@host/d", "postgresql://u:p/p@host/d", "postgresql://u:p?p@host/d",
        "postgresql://u:p%zz@host/d", "postgresql://u:p p@host/d", "postgresql://u:p%@host/d", "host=h password=p q",
    ],
)  # fmt: skip
def test_what_libpq_takes_for_something_else_is_known(url: str) -> None:
    assert may_show_its_password(url)


@pytest.mark.parametrize("settings", [ApiSettings, RelaySettings, WorkerSettings])
def test_a_second_at_in_the_databases_url_is_refused(settings: type[Settings]) -> None:
    url = "postgresql+psycopg://u:secret@canary@h/d"
    assert_refused(settings, {"DATABASE_URL": url}, "DATABASE_URL: cannot be read as it stands: write @")


@pytest.mark.parametrize("settings", [ApiSettings, WorkerSettings])
@pytest.mark.parametrize("character", ["@", "/", "?", "%z"])
def test_sources_of_such_passwords_are_refused(settings: type[Settings], character: str) -> None:
    url = f"postgresql://u:secret{character}canary@h/d"
    assert_refused(settings, {"REPORT_SOURCE_URL": url}, "REPORT_SOURCE_URL: cannot be read as it stands: write @")
    assert_refused(settings, {"REPORT_SOURCES": f"sales={url}"}, "REPORT_SOURCES: the URL of sales cannot be read")


def test_the_queue_and_the_store_for_clients_have_no_password() -> None:
    url = "https://u:canary@queue.example/1/jobs"
    for given in ({"SQS_QUEUE_URL": url}, {"SQS_DLQ_URL": url}):
        with pytest.raises(SettingsError, match="must hold no user name and no password") as caught:
            RelaySettings.from_environment({**QUEUE, **DATABASE, **given})
        assert "canary" not in str(caught.value)
    with pytest.raises(SettingsError, match="DOWNLOAD_ENDPOINT_URL: must hold no user name"):
        ApiSettings.from_environment({**DATABASE, "DOWNLOAD_ENDPOINT_URL": "https://u:canary@s3.example"})


def assert_refused(settings: type[Settings], given: Mapping[str, str], told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings.from_environment({**QUEUE, **DATABASE, **given})
    assert told in str(caught.value)
    assert "%40" in str(caught.value)
    assert "canary" not in str(caught.value)
