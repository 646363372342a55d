"""A whole system of real processes."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.emulator import REGION, Emulator
from shared.queues.setup import ensure_queues
from tests.support.postgres.roles import service_urls
from tests.support.processes.services import Services
from tests.support.processes.zygote import Zygote

_names = itertools.count()


@pytest.fixture
def queue_url(aws: Emulator) -> str:
    """A fresh queue on the emulator."""
    name = f"system-{next(_names)}"
    return ensure_queues(REGION, name, dead_letter_name=f"{name}-dlq", max_receive_count=20, visibility_s=10).queue_url


@pytest.fixture
def services(
    database_url: str, queue_url: str, emulator: Emulator, tmp_path: Path, zygote: Zygote
) -> Iterator[Services]:
    """The services, none started yet, each under a role with its own rights and no others."""
    with Services(
        tmp_path, database_urls=service_urls(database_url), queue_url=queue_url, aws=emulator.environment(),
        zygote=zygote, REPORT_SOURCE_URL=database_url,
    ) as running:  # fmt: skip
        yield running
