"""`make audit`: known vulnerabilities of the locked packages, by pip-audit, which asks PyPI for the advisories.

A mirror of packages knows no advisories. Its silence is reported as NOT AUDITED, not as a clean result, and fails
nothing, because it says nothing about the packages.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LOCKS = ("requirements.lock", "deploy/sample/requirements.lock")
ACCEPTED: Mapping[str, str] = {}
"""Advisories that do not concern us: id → why."""
_LIMIT_S = 300


def main() -> int:
    """Audit every lock file. Returns 1 if a package has a known vulnerability that is not accepted, else 0."""
    return max([_audit(lock) for lock in LOCKS])


def _audit(lock: str) -> int:
    try:
        packages = _ask(lock)
    except (subprocess.TimeoutExpired, ValueError) as error:
        print(f"audit: {lock}: NOT AUDITED. The advisory service did not answer: {str(error)[:300]}", file=sys.stderr)
        return 0
    return report(lock, packages)


def report(lock: str, packages: list[Mapping[str, Any]]) -> int:
    """Print what pip-audit found about the packages. Returns 1 for a vulnerability that is not accepted."""
    skipped = [package for package in packages if "skip_reason" in package]
    found = [
        f"{package['name']} {package['version']}: {flaw['id']} (fixed in {', '.join(flaw['fix_versions']) or 'none'})"
        for package in packages
        for flaw in package.get("vulns", ())
        if flaw["id"] not in ACCEPTED
    ]
    if skipped:
        known = len(packages) - len(skipped)
        reason = skipped[0]["skip_reason"]
        print(
            f"audit: {lock}: NOT AUDITED: {len(skipped)} of {len(packages)} packages ({known} were). The advisory "
            f"service does not know them: {reason}. If pip uses a mirror, run `make audit` where PyPI itself answers.",
            file=sys.stderr,
        )
    for line in found:
        print(f"audit: {line}", file=sys.stderr)
    if not found and not skipped:
        print(f"audit: {lock}: no known vulnerability in {len(packages)} packages")
    return 1 if found else 0


def _ask(lock: str) -> list[Mapping[str, Any]]:
    done = subprocess.run(
        [Path(sys.executable).with_name("pip-audit"), "--disable-pip", "--require-hashes", "-r", lock, "-f", "json",
         "--progress-spinner", "off", "--timeout", "15"],
        capture_output=True, text=True, timeout=_LIMIT_S, check=False,
    )  # fmt: skip
    try:
        answer: dict[str, list[Mapping[str, Any]]] = json.loads(done.stdout)
    except ValueError:
        raise ValueError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no answer") from None
    return answer["dependencies"]


if __name__ == "__main__":
    sys.exit(main())
