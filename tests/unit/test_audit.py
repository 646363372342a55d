"""The audit distinguishes "no known vulnerabilities" from "no information"."""

from typing import Any

import pytest

from deploy.tools.audit import report

_CLEAN: dict[str, Any] = {"name": "a", "version": "1", "vulns": []}
_BAD: dict[str, Any] = {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}]}
_UNKNOWN = {"name": "c", "skip_reason": "not found"}


def test_a_clean_result_says_how_many_were_looked_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert report("lock", [_CLEAN]) == 0
    assert "no known vulnerability in 1 packages" in capsys.readouterr().out


def test_a_known_vulnerability_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert report("lock", [_CLEAN, _BAD, _UNKNOWN]) == 1
    assert "b 2: PYSEC-1 (fixed in 3)" in capsys.readouterr().err


def test_packages_that_nobody_looked_up_are_never_called_clean(capsys: pytest.CaptureFixture[str]) -> None:
    assert report("lock", [_UNKNOWN]) == 0
    said = capsys.readouterr()
    assert "NOT AUDITED: 1 of 1 packages" in said.err
    assert "no known vulnerability" not in said.out
