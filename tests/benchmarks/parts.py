"""The input and the result of every part of `make bench`."""

import contextlib
import itertools
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

import migrations
from deploy.local.postgres import EmbeddedPostgres
from tests.support.sqs.fast_process import FastSqs


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table."""

    what: str
    value: float
    unit: str = ""
    aim: str = ""

    @property
    def text(self) -> str:
        """For people."""
        digits = 0 if abs(self.value) >= 100 else 2 if abs(self.value) >= 1 else 3
        return f"{self.value:,.{digits}f} {self.unit}".strip()

    def as_json(self) -> dict[str, object]:
        """For programs."""
        return {"what": self.what, "value": self.value, "unit": self.unit, "aim": self.aim}


@dataclass(slots=True)
class Stage:
    """A server with fsync on, an SQS endpoint of a process of its own, and how much to measure."""

    postgres: EmbeddedPostgres
    sqs: FastSqs
    folder: Path
    jobs: int
    rounds: int
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _databases: list[str] = field(default_factory=list)

    def database(self) -> str:
        """A migrated, empty database."""
        url = self.empty_database()
        migrations.upgrade(url)
        return url

    def empty_database(self) -> str:
        """For a system that makes its own tables."""
        name = f"bench_{next(self._numbers)}"
        self.postgres.create_database(name)
        self._databases.append(name)
        return self.postgres.dsn(name)

    def clear(self) -> None:
        """Leave nothing of one part to the next: no table to vacuum, no page to write at a checkpoint."""
        with psycopg.connect(self.postgres.dsn(), autocommit=True) as admin:
            while self._databases:
                name = sql.Identifier(self._databases.pop())
                admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
            admin.execute("CHECKPOINT")

    def queue(self) -> str:
        """An empty queue's URL."""
        return self.sqs.queue(f"bench-{next(self._numbers)}")


@contextlib.contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """These variables, within the block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
