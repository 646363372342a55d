"""The shipped rules, alerts and dashboard: valid for Prometheus's own tool, and consistent with code and runbook."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from deploy.grafana.dashboard import ROWS, rendered
from deploy.tools.metrics_page import METRICS
from shared.runtime.metrics.exposition import exposition
from tests.support.debian import tool
from tests.support.prometheus import SHIPPED, rules

ROOT = Path(__file__).parents[2]
ALERTS = [rule for rule in rules() if "alert" in rule]
EXPRESSIONS = [rule["expr"] for rule in rules()] + [
    expression for _, row in ROWS for panel in row for expression, _ in panel.series
]


def promtool(*arguments: str, stdin: bytes = b"") -> None:
    done = subprocess.run(
        [str(tool("promtool")), *arguments], input=stdin, capture_output=True, cwd=SHIPPED, timeout=120
    )
    assert done.returncode == 0, (done.stdout + done.stderr).decode()


def test_prometheus_accepts_the_rules_and_the_configuration() -> None:
    promtool("check", "config", "prometheus.yml")


def test_every_alert_fires_on_what_it_is_for_and_on_nothing_else() -> None:
    promtool("test", "rules", "tests/alerts.test.yml")


def test_the_exposition_has_nothing_that_promtool_objects_to() -> None:
    promtool("check", "metrics", stdin=exposition())


def test_every_alert_has_a_case_that_fires_and_a_case_that_does_not() -> None:
    cases = [
        case
        for test in yaml.safe_load((SHIPPED / "tests" / "alerts.test.yml").read_text())["tests"]
        for case in test.get("alert_rule_test", [])
    ]
    fire = {case["alertname"] for case in cases if case["exp_alerts"]}

    # Quiet are all of them in the first test, which asks for ALERTS as a whole.
    assert fire == {alert["alert"] for alert in ALERTS}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_every_alert_leads_to_a_paragraph_of_the_runbook(alert: dict[str, dict[str, str]]) -> None:
    page, _, anchor = alert["annotations"]["runbook_url"].partition("#")
    headings = re.findall(r"^### (\w+)$", (ROOT / page).read_text(), re.MULTILINE)

    assert anchor in {heading.lower() for heading in headings}
    assert alert["labels"]["severity"] in {"page", "ticket"}


def test_rules_and_dashboard_ask_for_metrics_that_exist() -> None:
    shown = {metric.name for metric in METRICS}
    shown |= {f"{m.name}_{part}" for m in METRICS if m.kind == "histogram" for part in ("bucket", "sum", "count")}
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    asked = {name for expression in EXPRESSIONS for name in re.findall(r"\btodoke[:_][a-z0-9_:]+", expression)}

    assert asked - shown - recorded == set()
    assert len(asked) > 40


def test_the_dashboard_shows_every_metric() -> None:
    shown = " ".join(expression for _, row in ROWS for panel in row for expression, _ in panel.series)
    recorded = {rule["record"]: rule["expr"] for rule in rules() if "record" in rule}
    shown += " ".join(recorded[name] for name in re.findall(r"\btodoke:[a-z0-9_:]+", shown))

    assert [
        metric.name for metric in METRICS if not re.search(rf"\b{metric.name}(_bucket|_sum|_count)?\b", shown)
    ] == []


def test_what_every_relay_shows_alike_is_never_added_up() -> None:
    wide = [metric.name for metric in METRICS if "Database-wide" in metric.tells]

    assert len(wide) > 10
    for expression in EXPRESSIONS:
        for name in wide:
            assert not re.search(rf"\b(sum|avg|count)\b[^()]*\((rate\()?{name}\b", expression), expression


def test_the_dashboard_is_the_one_in_the_code() -> None:
    file = ROOT / "deploy" / "grafana" / "dashboards" / "todoke.json"

    assert file.read_text() == rendered(), (
        "run: python -m deploy.grafana.dashboard > deploy/grafana/dashboards/todoke.json"
    )
