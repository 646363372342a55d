"""Every network client has a limit for connecting and for waiting for an answer."""

from typing import Any

import psycopg
import pycurl
import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from shared.artifacts.s3 import S3Store
from shared.database.engine import create_engine
from shared.queues import calls
from shared.queues.calls import SqsCalls
from shared.reports.sources import session
from shared.runtime import healthcheck

URL = "postgresql://u:p@h/d"


@pytest.fixture(autouse=True)
def _aws(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")


def connect_arguments(**options: Any) -> dict[str, Any]:
    """What the driver would be called with."""
    engine = create_engine(URL, application_name="test", answer_s=None, **options)
    seen: dict[str, Any] = {}

    @event.listens_for(engine, "do_connect")
    def _look(_dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> None:
        seen.update(parameters)
        raise psycopg.OperationalError

    with pytest.raises(OperationalError):
        engine.connect()
    return seen


@pytest.mark.parametrize("through_pooler", [False, True])
def test_the_database_is_given_up_in_time(through_pooler: bool) -> None:
    arguments = connect_arguments(through_pooler=through_pooler)

    assert arguments["connect_timeout"] <= 10
    assert 0 < arguments["tcp_user_timeout"] <= 30_000
    assert arguments["keepalives"] == 1
    if not through_pooler:  # there the role has them, and `check` asks
        assert "statement_timeout=30s" in arguments["options"]
        assert "idle_in_transaction_session_timeout=30s" in arguments["options"]


def test_a_pooler_is_sent_no_options_and_no_prepared_statements() -> None:
    arguments = connect_arguments(through_pooler=True)

    assert "options" not in arguments
    assert arguments["prepare_threshold"] is None


def test_a_report_s_source_is_given_up_in_time() -> None:
    parameters = conninfo_to_dict(session.bounded(URL))

    assert int(parameters["connect_timeout"] or 0) in range(1, 11)
    assert int(parameters["tcp_user_timeout"] or 0) in range(1, 30_001)


def test_a_report_s_source_is_not_looked_up_a_ticket_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGGSSENCMODE", raising=False)
    assert conninfo_to_dict(session.bounded(URL))["gssencmode"] == "disable"
    assert conninfo_to_dict(session.bounded(f"{URL}?gssencmode=require"))["gssencmode"] == "require"

    monkeypatch.setenv("PGGSSENCMODE", "prefer")
    assert "gssencmode" not in conninfo_to_dict(session.bounded(URL))


def test_what_a_service_file_says_of_encryption_by_tickets_is_not_overruled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGGSSENCMODE", raising=False)
    assert "gssencmode" not in conninfo_to_dict(session.bounded("service=warehouse"))

    monkeypatch.setenv("PGSERVICE", "warehouse")
    assert "gssencmode" not in conninfo_to_dict(session.bounded("dbname=orders"))


def test_queue_and_store_are_given_up_in_time() -> None:
    by_boto = SqsCalls("us-east-1", kind="boto3", connections=1)
    store = S3Store("bucket-name", "", region="us-east-1")

    for client in (by_boto.client, store._client, store._signer):
        assert 0 < client.meta.config.connect_timeout <= 5
        assert 0 < client.meta.config.read_timeout <= 60
        assert client.meta.config.retries["total_max_attempts"] <= 5
    poller = by_boto._methods["ReceiveMessage"].__self__.meta.config
    assert calls.LONGEST_POLL_S < poller.read_timeout <= 60


class Handle:
    """Stands in for libcurl's, and tells what was set."""

    def __init__(self) -> None:
        self.options: dict[int, Any] = {}

    def setopt(self, option: int, value: Any) -> None:
        self.options[option] = value

    def perform_rb(self) -> bytes:
        raise RuntimeError("asked")


def test_the_thin_client_bounds_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    handle = Handle()
    monkeypatch.setattr(pycurl, "Curl", lambda: handle)
    client = SqsCalls("us-east-1", kind="thin", connections=1)._curl
    assert client is not None
    for arguments, wait_s in (({}, 0), ({"WaitTimeSeconds": calls.LONGEST_POLL_S}, calls.LONGEST_POLL_S)):
        with pytest.raises(RuntimeError, match="asked"):
            client.call("ReceiveMessage", arguments)

        assert 0 < handle.options[pycurl.CONNECTTIMEOUT_MS] <= 5_000
        assert wait_s * 1_000 < handle.options[pycurl.TIMEOUT_MS] <= 60_000


def test_the_healthcheck_is_given_up_in_time() -> None:
    assert 0 < healthcheck._TIMEOUT_S < 5
