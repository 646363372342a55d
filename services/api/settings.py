"""The settings of the API."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from services.api.networks import is_loopback, networks, origins
from shared.catalog.source_urls import DEFAULT, checked_source, checked_sources, parse_sources
from shared.runtime.egress_settings import EgressSettings
from shared.runtime.secret_settings import SecretSettings
from shared.runtime.setting_problems import without_password
from shared.runtime.settings import (
    ArtifactSettings,
    CatalogSettings,
    KeySettings,
    RegionSettings,
    ServiceSettings,
)


class ApiSettings(
    ArtifactSettings, CatalogSettings, KeySettings, RegionSettings, SecretSettings, EgressSettings, ServiceSettings
):
    """What the API reads from its environment, checked once at start."""

    host: str = Field("127.0.0.1", alias="API_HOST", description="Address to listen on; the image sets 0.0.0.0")
    port: int = Field(8000, alias="API_PORT", ge=1, le=65535, description="Port to listen on")
    root_path: str = Field(
        "",
        alias="API_ROOT_PATH",
        pattern=r"^(/[A-Za-z0-9._~-]+)*$",
        description="Path under which a reverse proxy serves the API, such as /reports; the proxy may strip it or not",
    )
    accel_redirect: str = Field(
        "",
        alias="API_ACCEL_REDIRECT",
        pattern=r"^(/[A-Za-z0-9._~-]+)*$",
        description="Path of nginx's internal location of the folder of ARTIFACT_URL, such as /_artifacts: nginx sends "
        "the files that the API names",
    )
    workers: int = Field(
        1, alias="API_WORKERS", ge=1, le=64, description="API processes on the port; each has its own connections"
    )
    default_report_type: str | None = Field(
        None, alias="DEFAULT_REPORT_TYPE", description="Report type of a request without `reportType`"
    )
    auth: Literal["none", "keys", "oidc", "keys+oidc"] = Field(
        "none",
        alias="API_AUTH",
        description="none: every caller is tenant `default`; keys: bearer keys (`todoke-server keys create`); oidc: "
        "tokens of the issuers in API_OIDC_PATH; keys+oidc: either",
    )
    oidc_path: Path | None = Field(
        None, alias="API_OIDC_PATH", description="TOML file of the trusted token issuers and their claims"
    )
    auth_none_is_ok: Literal["yes", "published_on_loopback", "no"] = Field(
        "no",
        alias="API_AUTH_NONE_IS_OK",
        description="yes lets API_AUTH=none serve on other addresses than the loopback: only in a network of your own; "
        "published_on_loopback: in a container whose port only this machine reaches, under its own names",
    )
    console: Literal["on", "off"] = Field("on", alias="CONSOLE", description="off: no web console at /console")
    trusted_proxies: str = Field(
        "",
        alias="API_TRUSTED_PROXIES",
        description="Addresses and networks of proxies whose X-Forwarded-For is trusted, separated by commas; the "
        "audit trail and the limit of wrong credentials go by the client's address. Without keys, names that only the "
        "proxy knows are answered",
    )
    cors_origins: str = Field(
        "",
        alias="API_CORS_ORIGINS",
        description="Origins whose pages may call the API in a browser, such as https://reports.example.com, "
        "separated by commas; default: none. They must send a key or token, as all clients: no cookie opens the API",
    )
    rate_limit: float | None = Field(
        None,
        alias="API_RATE_LIMIT",
        gt=0,
        le=1_000_000,
        description="Requests per second of each tenant, over all processes of all APIs; default: no limit",
    )
    rate_burst: int = Field(
        100, alias="API_RATE_BURST", ge=1, le=1_000_000, description="Requests of a tenant at once, after a pause"
    )
    rate_share: float = Field(
        1,
        alias="API_RATE_SHARE",
        gt=0,
        le=1,
        description="Share of a tenant's rate and burst that one key name or person may use: 0.5 leaves half "
        "to the others",
    )
    keep_alive_s: int = Field(
        75,
        alias="API_KEEP_ALIVE_S",
        ge=1,
        le=86_400,
        description="Seconds before an idle connection is closed: set it longer than the proxy's, or POSTs are lost",
    )
    max_header_bytes: int = Field(
        32_768,
        alias="API_MAX_HEADER_BYTES",
        ge=4_096,
        le=65_536,
        description="Maximum bytes of a request's line and headers",
    )
    header_timeout_s: float = Field(
        10, alias="API_HEADER_TIMEOUT_S", gt=0, le=600, description="Seconds in which a request's header must arrive"
    )
    body_timeout_s: float = Field(
        30, alias="API_BODY_TIMEOUT_S", gt=0, le=600, description="Seconds in which a request's body must arrive"
    )
    stalled_timeout_s: float = Field(
        60,
        alias="API_STALLED_TIMEOUT_S",
        gt=0,
        le=3_600,
        description="Maximum seconds for which a client may read nothing of a response",
    )
    max_connections: int = Field(
        12_000,
        alias="API_MAX_CONNECTIONS",
        ge=1,
        le=1_000_000,
        description="Maximum connections of one process; fewer if its limit on file descriptors is lower",
    )
    report_source_url: SecretStr | None = Field(
        None,
        alias="REPORT_SOURCE_URL",
        description="PostgreSQL source of report queries, used for estimates only; the role may be the worker's",
    )
    report_sources: SecretStr = Field(
        SecretStr(""),
        alias="REPORT_SOURCES",
        description="Further sources by their names in report.toml, for estimates only: name=URL, separated by spaces",
    )
    schedules_each: int = Field(
        1_000, alias="API_SCHEDULES_EACH", ge=0, le=1_000_000, description="Most schedules of a tenant"
    )
    schedule_grant_days: float = Field(
        90,
        alias="API_SCHEDULE_GRANT_DAYS",
        gt=0,
        le=3650,
        description="Days for which a schedule uses the scopes of the token that last changed or resumed it, because a "
        "token's scopes cannot be checked later. Schedules of API keys use the key's scopes at each tick",
    )
    webhooks_each: int = Field(20, alias="API_WEBHOOKS_EACH", ge=0, le=1_000, description="Most webhooks of a tenant")
    share_max_days: float = Field(
        30,
        alias="API_SHARE_MAX_DAYS",
        ge=0,
        le=366,
        description="Maximum days for which a download link may work without a key; 0 turns links off",
    )
    streams_each: int = Field(
        100,
        alias="API_STREAMS_EACH",
        ge=1,
        le=10_000,
        description="Maximum event streams that one API key may have open in one process",
    )
    bulk_running: int = Field(
        3, alias="API_BULK_RUNNING", ge=1, le=100, description="Maximum bulk actions of one tenant that run at a time"
    )
    pool_size: int = Field(10, alias="API_DB_POOL_SIZE", ge=3, le=200, description="Maximum database connections")
    console_pool_size: int = Field(
        2,
        alias="CONSOLE_DB_POOL_SIZE",
        ge=1,
        le=50,
        description="Database connections for the console's pages, besides API_DB_POOL_SIZE: they only read, and a "
        "statement is cancelled after two seconds, so that no page can slow a submission",
    )
    job_deadline_s: float = Field(
        86_400, alias="JOB_DEADLINE_S", gt=0, description="Seconds after which an unfinished job fails"
    )
    job_max_crashes: int = Field(
        3, alias="JOB_MAX_CRASHES", ge=0, le=100, description="Lost workers that a job survives"
    )
    keep_artifacts_days: float = Field(
        30, alias="ARTIFACT_KEEP_DAYS", ge=0, le=3650, description="Days for which a job's files can be downloaded"
    )
    keep_jobs_days: float = Field(
        90, alias="JOB_KEEP_DAYS", ge=1, le=3650, description="Days for which an ended job can be viewed"
    )
    most_keep_artifacts_days: float = Field(
        365,
        alias="ARTIFACT_KEEP_MAX_DAYS",
        ge=0,
        le=3650,
        description="Maximum days after a job's end for which a client may keep its files; never less than "
        "ARTIFACT_KEEP_DAYS",
    )
    most_keep_jobs_days: float = Field(
        365,
        alias="JOB_KEEP_MAX_DAYS",
        ge=1,
        le=3650,
        description="Maximum days after a job's end for which a client may keep the job; never less than JOB_KEEP_DAYS",
    )
    run_at_max_days: float = Field(
        30, alias="JOB_RUN_AT_MAX_DAYS", ge=0, le=366, description="Days ahead that a client may set with `runAt`"
    )
    link_expires_s: int = Field(
        300, alias="DOWNLOAD_LINK_EXPIRES_S", ge=1, le=604_800, description="Validity of a signed S3 link in seconds"
    )
    download_endpoint_url: str | None = Field(
        None,
        alias="DOWNLOAD_ENDPOINT_URL",
        pattern=r"^https?://",
        description="Address of the S3 store for clients, if it differs from the one that services use",
    )

    _told_to_everybody = field_validator("download_endpoint_url")(without_password)

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        networks(value)
        return value

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, value: str) -> str:
        origins(value)
        return value

    _written_source = field_validator("report_source_url")(checked_source)
    _named_sources = field_validator("report_sources")(checked_sources)

    @property
    def sources(self) -> Mapping[str, str]:
        """The URL of each source that estimates may ask, by its name, with current passwords. Secret."""
        named = parse_sources(self.secret_of_today("REPORT_SOURCES", self.report_sources))
        if self.report_source_url is None:
            return named
        return {DEFAULT: self.secret_of_today("REPORT_SOURCE_URL", self.report_source_url), **named}

    @model_validator(mode="after")
    def _nobody_is_let_in_by_accident(self) -> Self:
        if self.auth == "none" and self.auth_none_is_ok == "no" and not is_loopback(self.host):
            raise ValueError(
                f"API_AUTH=none with API_HOST={self.host} lets everybody who reaches the port read every report: set "
                "API_AUTH=keys, or API_HOST=127.0.0.1, or API_AUTH_NONE_IS_OK=yes if only friends can reach it"
            )
        return self

    @model_validator(mode="after")
    def _tokens_have_issuers(self) -> Self:
        if self.takes_tokens and self.oidc_path is None:
            raise ValueError(f"API_AUTH={self.auth} needs API_OIDC_PATH, the file that says whose tokens are believed")
        if self.oidc_path is not None and not self.takes_tokens:
            raise ValueError(f"API_OIDC_PATH is set, but API_AUTH={self.auth} takes no tokens: set oidc or keys+oidc")
        return self

    @model_validator(mode="after")
    def _a_job_outlives_its_files(self) -> Self:
        if self.keep_jobs_days < self.keep_artifacts_days:
            raise ValueError(
                f"JOB_KEEP_DAYS={self.keep_jobs_days:g} must be at least "
                f"ARTIFACT_KEEP_DAYS={self.keep_artifacts_days:g}: a job outlives its files"
            )
        return self

    @property
    def takes_keys(self) -> bool:
        """True if API keys are required."""
        return "keys" in self.auth

    @property
    def takes_tokens(self) -> bool:
        """True if tokens are accepted."""
        return "oidc" in self.auth

    @property
    def keep_artifacts_s(self) -> int:
        """How long the files of a new job are kept."""
        return round(self.keep_artifacts_days * 86_400)

    @property
    def keep_s(self) -> int:
        """How long a new job is kept."""
        return round(self.keep_jobs_days * 86_400)

    @property
    def most_keep_artifacts_s(self) -> int:
        """The longest time for which a client may keep files. A job outlives its files."""
        return min(self.most_keep_s, max(self.keep_artifacts_s, round(self.most_keep_artifacts_days * 86_400)))

    @property
    def most_keep_s(self) -> int:
        """The longest time for which a client may keep a job."""
        return max(self.keep_s, round(self.most_keep_jobs_days * 86_400))
