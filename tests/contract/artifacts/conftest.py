"""The two stores, empty, behind one fixture."""

from pathlib import Path

import pytest

from shared.artifacts.interface import ArtifactStore
from shared.artifacts.open import open_store
from shared.artifacts.s3_client import Feature


@pytest.fixture(params=["file", "s3", "s3 with prefix", "s3 without anything"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    """Each store in turn."""
    if request.param == "file":
        return open_store((tmp_path / "store").as_uri())
    bucket = request.getfixturevalue("bucket")
    without = list(Feature) if "without" in request.param else []
    return open_store(f"s3://{bucket}" + ("/some/prefix" if "prefix" in request.param else ""), s3_without=without)
