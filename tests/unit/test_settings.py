"""What an operator is told about an invalid environment: every fault, at once, in words."""

import itertools
from collections.abc import Mapping

import pytest

from services.api.settings import ApiSettings
from services.relay.settings import RelaySettings
from services.worker.settings import WorkerSettings
from shared.runtime.region import region_in
from shared.runtime.setting_problems import near_misses
from shared.runtime.settings import ServiceSettings, Settings, SettingsError

DATABASE = {"DATABASE_URL": "postgresql://h/d"}
WORKER = {**DATABASE, "SQS_QUEUE_URL": "http://queue/1/q"}
ALL: tuple[type[Settings], ...] = (ApiSettings, RelaySettings, WorkerSettings, ServiceSettings)


def told(settings: type[Settings], environment: Mapping[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        settings.from_environment(environment)
    return str(refused.value).splitlines()


def test_a_number_an_address_and_a_misspelt_name_are_told_together() -> None:
    lines = told(ApiSettings, {"API_PORT": "80a", "ARTIFACT_URL": "/data", "API_RATE_LIMITS": "5", "API_AUTH": "Key"})

    assert lines == [
        "DATABASE_URL is not set: PostgreSQL, for example postgresql://user:password@host:5432/todoke",
        "ARTIFACT_URL: must be file:///absolute/folder or s3://bucket/prefix",
        "API_PORT: must be a whole number, at least 1 and at most 65,535, not 80a",
        "API_AUTH: must be one of none, keys, oidc, keys+oidc; did you mean 'keys'?",
        "API_RATE_LIMITS is not a setting; did you mean API_RATE_LIMIT? Rename it, or remove it",
    ]


def test_what_does_not_fit_together_is_told_beside_what_is_wrong_alone() -> None:
    lines = told(WorkerSettings, {"WORKER_LEASE_S": "10", "WORKER_SLOTS": "many", "SQS_QUEUE_URL": "q"})

    assert [line.split(":")[0].split("=")[0].split(" ")[0] for line in lines] == [
        "DATABASE_URL", "SQS_QUEUE_URL", "WORKER_SLOTS", "WORKER_LEASE_S",
    ]  # fmt: skip


def test_a_default_in_the_place_of_a_wrong_value_is_not_blamed() -> None:
    lines = told(WorkerSettings, {**WORKER, "WORKER_LEASE_S": "long", "WORKER_HEARTBEAT_S": "20"})

    assert lines == ["WORKER_LEASE_S: must be a number, at least 1"]


def test_an_unreadable_file_hides_no_other_problem() -> None:
    lines = told(WorkerSettings, {"DATABASE_URL_FILE": "/nope", "SQS_QUEUE_URL": "q", "WORKER_POLL_S": "30s"})

    assert lines == [
        "DATABASE_URL_FILE: /nope cannot be read: No such file or directory",
        "SQS_QUEUE_URL: must begin with https:// (a name or an ARN is not enough)",
        "WORKER_POLL_S: must be a number, at least 0 and at most 20, not 30s",
    ]


def test_a_fifo_queue_is_refused() -> None:
    lines = told(WorkerSettings, {**WORKER, "SQS_QUEUE_URL": "https://queue.example/1/jobs.fifo"})

    assert lines == ["SQS_QUEUE_URL: is that of a FIFO queue: make a standard queue, in which jobs wait for no other"]


@pytest.mark.parametrize(
    ("value", "words"),
    [("inf", "neither infinite nor NaN"), ("nan", "neither infinite nor NaN"), ("0", "more than 0, not 0")],
)
def test_a_number_that_is_none(value: str, words: str) -> None:
    [line] = told(ApiSettings, {**DATABASE, "JOB_DEADLINE_S": value})

    assert line.startswith("JOB_DEADLINE_S: must be a number, more than 0")
    assert line.endswith(words)


@pytest.mark.parametrize("value", ["hunter2", "s3cret", "8000 hunter2", "12345678901234567890", "p4$$"])
def test_a_password_in_the_wrong_place_is_not_shown(value: str) -> None:
    for settings in (ApiSettings, WorkerSettings):
        given = {name: value for name in settings.variables() if name not in {"WORKER_SCRATCH", "REPORT_FONTS"}}
        assert value not in "\n".join(told(settings, given))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("API_PROT", "API_PORT"), ("APIPORT", None), ("API_PORT_80_TCP", None), ("API_PORTS", "API_PORT"),
        ("API_SERVICE_PORT", None), ("JOB_KEEP_DAY", "JOB_KEEP_DAYS"), ("DATABASE_USER", None), ("DATABASE_PORT", None),
        ("ARTIFACT_KEEP_DAYZ", "ARTIFACT_KEEP_DAYS"), ("LOGLEVEL", None), ("LOG_LEVELS", "LOG_LEVEL"),
    ],
)  # fmt: skip
def test_typing_errors_and_what_only_looks_like_ours(written: str, meant: str | None) -> None:
    known = [name for name in ApiSettings.variables() if name != "DATABASE_URL"]
    found = list(near_misses({written: "1"}, known))

    assert [line.split("?")[0].split()[-1] for line in found] == ([meant] if meant else [])


def test_a_name_that_is_close_to_one_that_is_set_is_left_alone() -> None:
    assert ApiSettings.from_environment({**DATABASE, "DATABASE_URI": "of another program"}).port == 8000
    assert ApiSettings.from_environment({**DATABASE, "API_PORTS": ""}).port == 8000


def test_one_environment_may_serve_all_services() -> None:
    """No setting of one service is another's near miss."""
    for reader, other in itertools.permutations(ALL, 2):
        names = list(reader.variables())
        assert list(near_misses(dict.fromkeys(other.variables(), "1"), names)) == []


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://sqs.eu-west-1.amazonaws.com/1/q", "eu-west-1"),
        ("https://sqs.cn-north-1.amazonaws.com.cn/1/q", "cn-north-1"),
        ("https://sqs-fips.us-gov-west-1.amazonaws.com/1/q", "us-gov-west-1"),
        ("https://sqs.ap-northeast-1.api.aws/1/q", "ap-northeast-1"),
        ("https://vpce-0a1b-2c3d.sqs.us-east-2.vpce.amazonaws.com/1/q", "us-east-2"),
        ("https://us-west-2.queue.amazonaws.com/1/q", "us-west-2"),
        ("https://queue.amazonaws.com/1/q", "us-east-1"),
        ("http://127.0.0.1:4566/1/q", None),
        ("http://sqs.eu-west-1.localhost.example:4566/1/q", None),
        ("https://sqs.eu-west-1.amazonaws.com.example/1/q", None),
        ("http://[::1/1/q", None),
    ],
)
def test_the_region_that_the_address_of_a_queue_names(url: str, region: str | None) -> None:
    assert region_in(url) == region


@pytest.mark.parametrize(
    ("given", "region"),
    [
        ({}, "ap-northeast-1"),
        ({"AWS_DEFAULT_REGION": "us-east-2"}, "us-east-2"),
        ({"AWS_REGION": "eu-west-3", "AWS_DEFAULT_REGION": "us-east-2"}, "eu-west-3"),
        ({"AWS_DEFAULT_REGION": "us-east-2", "SQS_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/1/q"}, "eu-west-1"),
        ({"AWS_REGION": "", "SQS_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/1/q"}, "eu-west-1"),
    ],
)
def test_where_the_region_comes_from(given: Mapping[str, str], region: str) -> None:
    assert WorkerSettings.from_environment({**WORKER, **given}).aws_region == region
    assert ApiSettings.from_environment({**DATABASE, **given}).aws_region == region


def test_a_region_that_is_not_the_queues_is_refused() -> None:
    queue = {"AWS_REGION": "us-east-1", "SQS_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/1/q"}
    [line] = told(RelaySettings, {**DATABASE, **queue})

    assert line == "AWS_REGION=us-east-1, but the queue of SQS_QUEUE_URL is in eu-west-1: leave AWS_REGION out"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "todoke.example"])  # noqa: S104 - refused
def test_nobody_is_let_in_by_accident(host: str) -> None:
    [line] = told(ApiSettings, {**DATABASE, "API_HOST": host})
    assert "lets everybody who reaches the port read every report: set API_AUTH=keys" in line
    for more in ({"API_AUTH": "keys"}, {"API_AUTH_NONE_IS_OK": "yes"}):
        assert ApiSettings.from_environment({**DATABASE, "API_HOST": host, **more}).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_the_loopback_needs_no_word(host: str) -> None:
    assert ApiSettings.from_environment({**DATABASE, "API_HOST": host}).auth == "none"
