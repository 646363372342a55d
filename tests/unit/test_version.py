"""The version is written in two places, because a wheel is built without importing the code."""

import tomllib
from pathlib import Path

from shared.version import VERSION


def test_code_and_distribution_have_one_version() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]

    assert project["version"] == VERSION
