"""A real Prometheus over real services, with the shipped rules on a shorter time scale."""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2 as httpx
import yaml

from deploy.local.processes import free_port, spawn, stop
from tests.support.debian import tool
from tests.support.eventually import eventually

SHIPPED = Path(__file__).parents[2] / "deploy" / "prometheus"
FASTER = 30
"""The factor by which the rules' windows and `for` are shortened: 5 minutes become 10 seconds. Thresholds stay."""
SCRAPE_S = 2

_WINDOW = re.compile(r"(?:(?<=\[)|(?<=\boffset ))(\d+)([smh])\b")
_SECONDS = {"s": 1, "m": 60, "h": 3600}


def shorter(expression: str) -> str:
    """Return the expression with windows and offsets FASTER times as short, but not shorter than five scrapes."""
    return _WINDOW.sub(lambda found: _shorter(found[1], found[2]), expression)


def _shorter(number: str, unit: str) -> str:
    return f"{max(int(number) * _SECONDS[unit] // FASTER, 5 * SCRAPE_S)}s"


def rules() -> Sequence[dict[str, Any]]:
    """Return every shipped rule."""
    files = [yaml.safe_load(file.read_text()) for file in sorted((SHIPPED / "rules").glob("*.yml"))]
    return [rule for content in files for group in content["groups"] for rule in group["rules"]]


class Prometheus:
    """Scrapes `targets` (job → ports on loopback) while in its block."""

    def __init__(self, folder: Path, targets: Mapping[str, Sequence[int]]) -> None:
        self._folder = folder
        self._port = free_port()
        folder.mkdir()
        (folder / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": self._rules()}]}))
        config = yaml.safe_load((SHIPPED / "prometheus.yml").read_text())
        jobs = [job["job_name"] for job in config["scrape_configs"]]
        config["global"] = {"scrape_interval": f"{SCRAPE_S}s", "evaluation_interval": "1s"}
        config["rule_files"] = ["rules.yml"]
        config["scrape_configs"] = [
            {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in targets[job]]}]}
            for job in jobs
        ]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))

    def _rules(self) -> list[dict[str, Any]]:
        short = []
        for rule in rules():
            changed = {**rule, "expr": shorter(rule["expr"])}
            if match := re.fullmatch(r"(\d+)([smh])", rule.get("for", "")):
                changed["for"] = f"{int(match[1]) * _SECONDS[match[2]] // FASTER}s"
            short.append(changed)
        return short

    def __enter__(self) -> Self:
        self._process = spawn(
            [str(tool("prometheus")), f"--config.file={self._folder}/prometheus.yml",
             f"--storage.tsdb.path={self._folder}/data", f"--web.listen-address=127.0.0.1:{self._port}",
             "--log.level=warn"],
            env={"PATH": "/usr/bin:/bin", "GOMAXPROCS": "1"}, log=self._folder / "prometheus.log",
        )  # fmt: skip
        eventually(self._is_ready, within_s=120, what="Prometheus is ready")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stop(self._process)
        if error is not None:
            print((self._folder / "prometheus.log").read_text()[-4000:], file=sys.stderr)

    def _is_ready(self) -> bool:
        assert self._process.poll() is None, (self._folder / "prometheus.log").read_text()
        try:
            return httpx.get(f"http://127.0.0.1:{self._port}/-/ready", timeout=10).status_code == 200
        except httpx.TransportError:
            return False

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the instant vector of an expression. Fails if Prometheus refuses it."""
        answer = httpx.get(
            f"http://127.0.0.1:{self._port}/api/v1/query", params={"query": expression}, timeout=60
        ).json()
        assert answer["status"] == "success", f"{expression}: {answer}"
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def fired(self) -> set[str]:
        """Return the alerts that have been firing at any time."""
        return {
            found["metric"]["alertname"]
            for found in self.query('max by (alertname) (max_over_time(ALERTS{alertstate="firing"}[1h]))')
        }

    def until_fired(self, *names: str) -> None:
        """Wait until all of these have fired."""
        eventually(lambda: set(names) <= self.fired(), within_s=240, what=f"{names} fire; so far: {self.fired()}")
