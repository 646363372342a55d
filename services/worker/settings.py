"""The worker's settings."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from shared.catalog.source_urls import DEFAULT, checked_source, checked_sources, parse_sources
from shared.runtime.secret_settings import SecretSettings
from shared.runtime.settings import ArtifactSettings, CatalogSettings, QueueServiceSettings


class WorkerSettings(ArtifactSettings, CatalogSettings, SecretSettings, QueueServiceSettings):
    """What the worker reads from its environment, checked once at start."""

    report_source_url: SecretStr | None = Field(
        None,
        alias="REPORT_SOURCE_URL",
        description="PostgreSQL source of report queries, preferably with a read-only role; default: DATABASE_URL",
    )
    report_sources: SecretStr = Field(
        SecretStr(""),
        alias="REPORT_SOURCES",
        description="Further sources by their names in report.toml, as name=URL separated by spaces: "
        "postgresql://…, mariadb://…, sqlite:///file, file:///folder, s3://bucket/prefix, or a plugin's scheme",
    )
    fonts: Path | None = Field(
        None, alias="REPORT_FONTS", description="Folder of TrueType fonts for documents, in addition to Todoke's own"
    )
    manifest_key: Path | None = Field(
        None, alias="MANIFEST_KEY_FILE", description="Ed25519 private key in PEM that signs each job's manifest.json"
    )
    preview: Literal["on", "off"] = Field(
        "on",
        alias="REPORT_PREVIEW",
        description="on: store each report's first 1,000 rows, and a picture of a PDF's first page, with its files; "
        "off: neither, which saves the store one object per job, and another per PDF",
    )
    scratch: Path = Field(
        Path(tempfile.gettempdir()),
        alias="WORKER_SCRATCH",
        description="Folder for unfinished files; on the same file system as an artifact folder, finished files "
        "are not copied",
    )
    slots: int = Field(
        os.cpu_count() or 2,
        alias="WORKER_SLOTS",
        ge=1,
        le=1000,
        description="Attempts at once; default: the cores. Up to 1000 for reports without files, which take no core",
    )
    isolation: Literal["best_effort", "required"] = Field(
        "best_effort",
        alias="REPORT_ISOLATION",
        description="required: do not start where reports cannot be fully isolated; best_effort: start anyway",
    )
    lease_s: float = Field(
        30,
        alias="WORKER_LEASE_S",
        ge=1,
        description="Seconds that a silent worker keeps a job before another may take it",
    )
    heartbeat_s: float = Field(5, alias="WORKER_HEARTBEAT_S", gt=0, description="Seconds between lease renewals")
    poll_s: float = Field(
        20, alias="WORKER_POLL_S", ge=0, le=20, description="Seconds of one long poll (SQS allows up to 20)"
    )
    grace_s: float = Field(
        25,
        alias="WORKER_GRACE_S",
        ge=0,
        description="Seconds after SIGTERM to finish running jobs; the rest is given back",
    )
    retry_base_s: float = Field(
        2, alias="WORKER_RETRY_BASE_S", gt=0, description="Maximum back-off in seconds before the first retry"
    )
    retry_cap_s: float = Field(
        300, alias="WORKER_RETRY_CAP_S", gt=0, description="Maximum back-off in seconds before any retry"
    )

    @model_validator(mode="after")
    def _three_heartbeats_fit_in_a_lease(self) -> Self:
        if self.heartbeat_s * 3 > self.lease_s:
            raise ValueError(
                f"WORKER_LEASE_S={self.lease_s:g} must be at least three times "
                f"WORKER_HEARTBEAT_S={self.heartbeat_s:g}, so that two lost beats are survivable"
            )
        return self

    @property
    def visibility_s(self) -> float:
        """Seconds that a received message stays hidden: a little longer than the lease.

        When a worker dies, its job is free before its message becomes visible again, so the copy starts the job and is
        not dropped as busy.
        """
        return self.lease_s + 5

    @field_validator("fonts")
    @classmethod
    def _wherever_a_process_is(cls, value: Path | None) -> Path | None:
        return value.absolute() if value else None

    _written_source = field_validator("report_source_url")(checked_source)
    _named_sources = field_validator("report_sources")(checked_sources)

    @property
    def sources(self) -> Mapping[str, str]:
        """The URL of each source by its name, with current passwords. Secret."""
        if self.report_source_url is None:
            default = self.database_url_of_today()
        else:
            default = self.secret_of_today("REPORT_SOURCE_URL", self.report_source_url)
        return {DEFAULT: default, **parse_sources(self.secret_of_today("REPORT_SOURCES", self.report_sources))}
