"""One table of legal edges in five places: in code, in the model, twice in the database, and in the docs."""

import re
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.jobs.states import FINAL, LEGAL_EDGES, Edge, JobStatus, Verb
from tests.protocol.model.spin import MODEL

_README = Path(__file__).parents[3] / "README.md"


def test_the_model_has_the_edges_of_the_code() -> None:
    found = re.findall(r"^  EDGE\((\w+), +(\w+), +(\w+)\)", MODEL.read_text(), re.MULTILINE)

    assert len(found) == len(set(found))
    assert {_edge(before, after, verb) for before, after, verb in found} == LEGAL_EDGES


def test_the_model_takes_each_edge_where_the_code_does() -> None:
    """Every verb of the code is a step of the model, and the model knows no other."""
    steps = re.findall(r"(?:move|attempt_ends)\((?:me, )?([A-Z]+), (\w+)\)", MODEL.read_text())

    assert {(JobStatus(after), Verb(verb)) for after, verb in steps} == {(e.target, e.verb) for e in LEGAL_EDGES}


def test_the_triggers_have_the_edges_of_the_code(conn: Connection) -> None:
    """What they do with each is asked in tests/database/test_schema.py; this is what they say."""
    source = "SELECT prosrc FROM pg_proc WHERE proname = :name"
    transition = conn.execute(text(source), {"name": "jobs_record_transition"}).scalar_one()
    birth = conn.execute(text(source), {"name": "jobs_record_birth"}).scalar_one()

    edges = {_edge(*found) for found in re.findall(r"\('([A-Z]+)',\s*'([A-Z]+)',\s*'(\w+)'\)", transition)}
    born = re.search(r"status <> '(\w+)' OR verb <> '(\w+)'", birth)
    assert born
    assert edges | {_edge("NONE", born[1], born[2])} == LEGAL_EDGES


def test_the_checks_have_the_states_of_the_code(conn: Connection) -> None:
    query = "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'jobs'::regclass"
    checks = {name: definition for name, definition in conn.execute(text(query))}  # noqa: C416 - a Result is no mapping

    def states(check: str) -> set[str]:
        return set(re.findall(r"'([A-Z]+)'::text", checks[check]))

    assert states("jobs_status_check") == set(JobStatus)
    assert states("jobs_finished_exactly_when_final") == FINAL
    # Only what is PROCESSING has a holder, so only its edges are fenced.
    assert states("jobs_a_lease_exactly_while_processing") == {JobStatus.PROCESSING}
    assert not [e for e in LEGAL_EDGES if e.source in FINAL]


def test_the_readmes_diagram_has_the_edges_of_the_code() -> None:
    diagram = re.search(r"stateDiagram-v2\n(.*?)```", _README.read_text(), re.DOTALL)
    assert diagram
    drawn = set()
    for before, after, label in re.findall(r"(\S+) --> (\w+): (.+)", diagram[1]):
        for verb in re.sub(r" *\([^)]*\)", "", label).split(", "):
            drawn.add(_edge("NONE" if before == "[*]" else before, after, verb))

    assert drawn == LEGAL_EDGES


def _edge(before: str, after: str, verb: str) -> Edge:
    return Edge(None if before == "NONE" else JobStatus(before), JobStatus(after), Verb(verb))
