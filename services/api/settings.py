"""What the API reads from its environment."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from shared.artifacts.open import DEFAULT_URL
from shared.settings import ServiceSettings


class ApiSettings(ServiceSettings):
    """Checked once at start."""

    host: str = Field("0.0.0.0", alias="API_HOST", description="Address to listen on")  # noqa: S104 - a container must be reachable
    port: int = Field(8000, alias="API_PORT", ge=1, le=65535, description="Port to listen on")
    workers: int = Field(
        1, alias="API_WORKERS", ge=1, le=64, description="Processes behind the port; each has its own connections"
    )
    catalog_path: Path | None = Field(
        None, alias="CATALOG_PATH", description="Folder of report types; default: the built-in catalog"
    )
    default_report_type: str | None = Field(
        None, alias="DEFAULT_REPORT_TYPE", description="What a request without `reportType` runs"
    )
    artifact_url: str = Field(
        DEFAULT_URL, alias="ARTIFACT_URL", description="Where finished files are: file:///folder or s3://bucket/prefix"
    )
    aws_region: str | None = Field(None, alias="AWS_REGION", description="Region of the bucket, for s3:// only")
    auth: Literal["none", "keys"] = Field(
        "none", alias="API_AUTH", description="none: everybody is tenant `default`; keys: bearer keys (`create-key`)"
    )
    pool_size: int = Field(10, alias="API_DB_POOL_SIZE", ge=2, le=200, description="Database connections, at most")
    job_deadline_s: float = Field(
        86_400, alias="JOB_DEADLINE_S", gt=0, description="Seconds after which an unfinished job fails"
    )
    job_max_crashes: int = Field(
        3, alias="JOB_MAX_CRASHES", ge=0, le=100, description="Lost workers that a job survives"
    )
    link_expires_s: int = Field(
        300, alias="DOWNLOAD_LINK_EXPIRES_S", ge=1, le=604_800, description="Life of a signed S3 link"
    )
    download_endpoint_url: str | None = Field(
        None,
        alias="DOWNLOAD_ENDPOINT_URL",
        pattern=r"^https?://",
        description="Address of the S3 store for clients, where it is not the one that services use",
    )
