"""The basis of most tests: a real PostgreSQL with a database for each, and a real SQS API on a socket."""

import logging
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from sqlalchemy.engine import Connection, Engine

from deploy.local.emulator import Emulator
from shared.database.engine import create_engine
from shared.runtime import logs
from tests.support.order import spread
from tests.support.postgres import server
from tests.support.processes.zygote import Zygote

pytest_plugins = ["tests.support.signals", "tests.support.time_limits", "tests.support.told_fixtures"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--long` adds the tests marked `long`, which `make test-long` runs."""
    parser.addoption("--long", action="store_true", help="also run the tests marked `long`")


_LONG_S = 600
"""A test that may take so long begins its lane."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long tests out unless they were asked for, and begin with what takes longest."""
    if not config.getoption("--long"):
        long = [item for item in items if item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]
    longest = sorted((item for item in items if _allowed_s(item) >= _LONG_S), key=_allowed_s, reverse=True)
    others = [item for item in items if _allowed_s(item) < _LONG_S]
    items[:] = spread(longest, others, getattr(config, "workerinput", {}).get("workercount", 1))


def _allowed_s(item: pytest.Item) -> float:
    """How long a test may take, if it says so."""
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0]) if marker and marker.args else 0.0


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what tests told, before the last line."""
    for report in terminalreporter.stats.get("passed", ()):
        for _, line in (found for found in report.user_properties if found[0] == "told"):
            terminalreporter.write_line(f"{report.location[0]}: {line}")


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """A test that runs a command within this process leaves pytest's handlers, and its eye on threads, in place."""
    root, before = logging.getLogger(), (sys.excepthook, threading.excepthook, sys.unraisablehook)
    handlers, level = list(root.handlers), root.level
    yield
    sys.excepthook, threading.excepthook, sys.unraisablehook = before
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    logs._configured.clear()


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Takes a line for the end of the run: what was counted, which seed."""
    return lambda line: request.node.user_properties.append(("told", line))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[server.Server]:
    """One server for the session."""
    with server.server() as base:
        yield base


@pytest.fixture
def database_url(postgres_server: server.Server) -> Iterator[str]:
    """A migrated database of this test's own."""
    with server.database(postgres_server) as url:
        yield url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine in autocommit mode, as the services use it."""
    engine = create_engine(database_url, application_name="test", pool_size=20)
    yield engine
    engine.dispose()


@pytest.fixture
def conn(engine: Engine) -> Iterator[Connection]:
    """A connection on which every statement is its own transaction."""
    with engine.connect() as connection:
        yield connection


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """SQS and S3 on a socket, for the session."""
    with Emulator(tmp_path_factory.mktemp("aws")) as running:
        yield running


@pytest.fixture
def aws(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """The emulator, found by boto3 in this process through the standard variables."""
    for name, value in emulator.environment().items():
        monkeypatch.setenv(name, value)
    return emulator


@pytest.fixture(scope="session")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    """Forks the services of every test of the session."""
    with Zygote(tmp_path_factory.mktemp("zygote") / "zygote.log") as running:
        yield running


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """An empty folder."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture
def bucket(aws: Emulator) -> str:
    """A bucket of this test's own."""
    name = f"artifacts-{uuid.uuid4()}"
    boto3.client("s3").create_bucket(Bucket=name)
    return name
