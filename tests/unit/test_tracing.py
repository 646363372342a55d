"""Traces: what is accepted as one, and that they cost nothing while they are off."""

import subprocess
import sys
from pathlib import Path

import pytest

from services.relay.send_spans import SendSpans
from shared.outbox.messages import OutboxRow
from shared.runtime import tracing

ROOT = Path(__file__).parents[2]
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (GOOD, GOOD),
        (f"cc-{TRACE}-{SPAN}-01-from-a-later-version", GOOD),
        (None, None),
        ("", None),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"00-{TRACE}-{SPAN}-01-more", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (GOOD.upper(), None),
        (GOOD + "\n", None),
        (f"cc-{TRACE}-{SPAN}-01-{'x' * 10_000}", None),
    ],
)
def test_only_a_traceparent_is_taken_for_one(given: str | None, expected: str | None) -> None:
    assert tracing.valid(given) == expected


def test_while_off_nothing_is_made() -> None:
    row = OutboxRow(1, "jobs", "t", "{}", f'{{"traceparent": "{GOOD}"}}')

    assert tracing.begin("x", parent=GOOD) is tracing.OFF
    with tracing.span("x") as span:
        assert span is tracing.OFF
    spans = SendSpans([row])
    assert spans._spans == []
    assert spans.headers == [{"traceparent": GOOD}]


def _run(code: str, **env: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60, check=True, env=env
    )
    return done.stdout.strip()


@pytest.mark.parametrize("service", ["relay.publisher", "worker.worker"])
def test_without_a_collector_opentelemetry_is_not_even_imported(service: str) -> None:
    code = f"import sys, services.{service}; from shared.runtime import tracing; tracing.configure('x'); "

    assert _run(code + "print('opentelemetry' in sys.modules)") == "False"


def test_a_collector_without_the_extra_is_an_error_that_says_so() -> None:
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from shared.runtime import tracing\n"
        "try: tracing.configure('x')\n"
        "except tracing.TracingUnavailable as error: print(error)"
    )

    said = _run(code, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert "pip install 'todoke-server[otel]'" in said
    assert _run(code) == ""
