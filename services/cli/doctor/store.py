"""Examines the artifact store: a bucket, or a folder."""

import os
from collections.abc import Iterator

from services.cli.doctor.clock import REFUSED_S, compared
from services.cli.doctor.finding import Finding, fail, ok, warn
from shared.artifacts.interface import ArtifactStoreUnavailable
from shared.artifacts.look import StoreFacts, look_at
from shared.artifacts.open import UnknownArtifactUrl, UnknownFeature
from shared.runtime.settings import ArtifactSettings, RegionSettings, SettingsError

_LITTLE_MB = 1024


class _Settings(ArtifactSettings, RegionSettings):
    """The settings that lead to the store."""


def look() -> Iterator[Finding]:
    """Yield the findings. One small object is written, as each worker does at its start."""
    try:
        settings = _Settings.from_environment(os.environ)
        facts = look_at(settings.artifact_url, region=settings.aws_region, s3_without=settings.s3_without)
    except (SettingsError, UnknownArtifactUrl, UnknownFeature) as error:
        yield fail("store", str(error), "correct ARTIFACT_URL or ARTIFACT_S3_WITHOUT")
        return
    except ArtifactStoreUnavailable as error:
        yield fail("store", str(error), "check its rights and the network, or correct ARTIFACT_URL")
        return
    yield ok("store", f"{facts.name} is writable and readable")
    for sentence in facts.advice:
        yield warn("store.features", sentence, "see docs/how-to/s3-store.md")
    yield from _versions(facts)
    if facts.ahead_s is not None:
        yield from compared("store.clock", "S3", facts.ahead_s, most_s=REFUSED_S)
    if facts.free_mb is not None and facts.free_mb < _LITTLE_MB:
        yield warn("store.room", f"{facts.name} has {facts.free_mb} MB free", "free space, or shorten retention")


def _versions(facts: StoreFacts) -> Iterator[Finding]:
    if facts.keeps_versions is True:
        yield ok("store.versions", f"{facts.name} keeps versions; retention removes every version of a file")
    elif facts.keeps_versions is False:
        yield ok("store.versions", f"{facts.name} keeps no older versions")
