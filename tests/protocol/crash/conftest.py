"""Stages for crashes."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.protocol.crash.stage import Stage, opened
from tests.support.postgres import server
from tests.support.processes.zygote import Zygote

OpenStage = Callable[..., contextlib.AbstractContextManager[Stage]]


@pytest.fixture
def open_stage(zygote: Zygote, postgres_server: server.Server, tmp_path: Path) -> OpenStage:
    """Opens a stage by name, on a database of its own; with settings of the services, if there are any."""

    @contextlib.contextmanager
    def opening(name: str, **env: str) -> Iterator[Stage]:
        with server.database(postgres_server) as url, opened(zygote, url, tmp_path / name, **env) as stage:
            yield stage

    return opening


@pytest.fixture
def stage(open_stage: OpenStage) -> Iterator[Stage]:
    """One stage."""
    with open_stage("stage") as one:
        yield one
