"""The two stores, empty, behind one fixture."""

import uuid
from pathlib import Path

import boto3
import pytest

from deploy.local.emulator import Emulator
from shared.artifacts.interface import ArtifactStore
from shared.artifacts.open import open_store


@pytest.fixture
def bucket(aws: Emulator) -> str:
    """A bucket of this test's own."""
    name = f"artifacts-{uuid.uuid4()}"
    boto3.client("s3").create_bucket(Bucket=name)
    return name


@pytest.fixture(params=["file", "s3", "s3 with prefix"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    """Each store in turn."""
    if request.param == "file":
        return open_store((tmp_path / "store").as_uri())
    bucket = request.getfixturevalue("bucket")
    return open_store(f"s3://{bucket}" + ("/some/prefix" if "prefix" in request.param else ""))
