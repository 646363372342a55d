"""The protocol in any order, against the model."""

import os
from typing import cast

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from sqlalchemy import text
from sqlalchemy.engine import Connection

from tests.protocol.stateful.machine import Protocol

_EXAMPLES = int(os.environ.get("STATEFUL_EXAMPLES", "25"))
"""Stories to tell. The default ones are the same on every run; more are drawn anew."""


def test_every_order_of_statements_does_what_the_model_does(conn: Connection) -> None:
    conn.execute(text("SET synchronous_commit = off"))
    machine = cast("type[RuleBasedStateMachine]", lambda: Protocol(conn))  # any callable will do
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=_EXAMPLES,
            stateful_step_count=40,
            deadline=None,
            derandomize="STATEFUL_EXAMPLES" not in os.environ,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
