"""The statements of docs/how-to/look-at-the-tables.md work with the current tables."""

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import Connection

from tests.support.jobs import a_job, started

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "look-at-the-tables.md").read_text()
BLOCKS = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
ROLE, QUESTIONS = BLOCKS[0], [one.strip() for block in BLOCKS[1:] for one in block.split(";") if one.strip()]


@pytest.fixture
def looking(database_url: str, conn: Connection) -> Iterator[psycopg.Connection]:
    """A session of the role that the page makes, among some jobs."""
    started(conn, a_job(conn))
    a_job(conn)
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")  # as the compose file has it
        owner.execute(ROLE.encode())
        try:
            with psycopg.connect(database_url, autocommit=True) as session:
                session.execute("SET ROLE todoke_look")
                yield session
        finally:
            owner.execute("DROP OWNED BY todoke_look")
            owner.execute("DROP ROLE todoke_look")


def test_every_question_of_the_page_is_answered_to_its_role(looking: psycopg.Connection) -> None:
    answers = [looking.execute(question.encode()).fetchall() for question in QUESTIONS]

    assert len(answers[0]) == 2
    assert len(answers) == 7


def test_that_role_can_neither_change_nor_lock(looking: psycopg.Connection) -> None:
    for forbidden in (b"UPDATE jobs SET rings = 0", b"SELECT id FROM jobs FOR UPDATE", b"DELETE FROM outbox"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            looking.execute(forbidden)


def test_the_columns_that_the_page_explains_are_there(conn: Connection) -> None:
    rows = re.findall(r"^\| (`[^|]+) \|", PAGE, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    found = conn.exec_driver_sql("SELECT column_name FROM information_schema.columns WHERE table_name = 'jobs'")

    assert len(named) == 11
    assert named <= set(found.scalars())
