"""How a service reads its environment: once, at start, with errors that an operator can act on."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from shared.access.key_text import ENVIRONMENT
from shared.database.libpq import WRITE_AS_XX
from shared.errors import TodokeError
from shared.runtime.artifact_url import parse_artifact_url
from shared.runtime.region import DEFAULT_REGION, region_in, region_of
from shared.runtime.setting_problems import explain, missing, near_misses, without_password

_TWO_AT = re.compile(r"[a-z+]+://[^/?]*@[^/?]*@")


class SettingsError(TodokeError):
    """The environment is not valid for the service. The message names every variable that is wrong."""


class Settings(BaseModel):
    """Base of a service's settings. Each field's alias is its environment variable.

    Values never appear in errors (`hide_input_in_errors`): one of them may be a password.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, extra="ignore", allow_inf_nan=False)
    _secret_files: dict[str, Path] = PrivateAttr(default_factory=dict)
    """The variables that were read from the file that NAME_FILE names."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read and check the variables. An empty one counts as unset; a secret may be in the file that NAME_FILE names.

        Raises SettingsError naming all problems.
        """
        names = cls.variables()
        present: dict[str, str] = dict(cls.derived(environment))
        problems: dict[str, str] = {}
        for name, field in names.items():
            try:
                value = secret(environment, name) if _is_secret(field) else environment.get(name)
            except SettingsError as problem:
                problems[name] = str(problem)
            else:
                present |= {name: value} if value else {}
        try:
            settings = cls.model_validate(present)
        except ValidationError as error:
            settings = None
            problems |= {n: p for n, p in _problems(error, names, present, environment).items() if n not in problems}
            problems |= cls._between(present, problems)
        told = "\n".join(problems.values())
        near = [line for line in near_misses(environment, list(names)) if line.split()[0] not in told]
        if problems or near or settings is None:
            raise SettingsError("\n".join([*problems.values(), *near]))
        secrets = (name for name, field in names.items() if name in present and _is_secret(field))
        files = {name: Path(file) for name in secrets if (file := environment.get(f"{name}_FILE"))}
        settings._secret_files.update(files)  # noqa: SLF001 - our own class
        return settings

    def secret_of_today(self, name: str, at_start: SecretStr) -> str:
        """Return the current value of a secret: passwords are rotated while a service runs.

        The file that NAME_FILE names is read again. Without such a file, or while it cannot be read, the value is
        `at_start`.
        """
        file = self._secret_files.get(name)
        try:
            return (file.read_text().strip() if file else "") or at_start.get_secret_value()
        except (OSError, UnicodeDecodeError):
            return at_start.get_secret_value()

    @classmethod
    def _between(cls, present: Mapping[str, str], problems: Mapping[str, str]) -> dict[str, str]:
        """Return what is wrong between settings that are each valid; pydantic checks that only when all are valid."""
        right = {name: value for name, value in present.items() if name not in problems}
        stand_ins = {n: f.examples[0] for n, f in cls.variables().items() if f.examples and n not in right}
        try:
            cls.model_validate({**right, **stand_ins})
        except ValidationError as error:
            found = _problems(error, cls.variables(), right, {})
            return {n: p for n, p in found.items() if not n and not any(bad in p for bad in problems if bad)}
        return {}

    @classmethod
    def derived(cls, environment: Mapping[str, str]) -> Mapping[str, str]:
        """Return variables whose values follow from others, if they are not set."""
        del environment
        return {}

    @classmethod
    def variables(cls) -> dict[str, Any]:
        """Environment variable → pydantic field, in the order the documentation lists them."""
        return {field.alias or name: field for name, field in cls.model_fields.items()}


def secret(environment: Mapping[str, str], name: str) -> str | None:
    """Return the variable `name`, or the content of the file that NAME_FILE names. None when neither is set.

    Raises SettingsError when both are, or when the file cannot be read.
    """
    value, file = environment.get(name) or None, environment.get(f"{name}_FILE")
    if not file:
        return value
    if value is not None:
        raise SettingsError(f"{name} and {name}_FILE are both set: keep one")
    try:
        return Path(file).read_text().strip() or None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise SettingsError(f"{name}_FILE: {file} cannot be read: {reason}") from None


def _is_secret(field: Any) -> bool:
    return field.annotation is SecretStr or SecretStr in getattr(field.annotation, "__args__", ())


def _problems(
    error: ValidationError, names: Mapping[str, Any], present: Mapping[str, str], environment: Mapping[str, str]
) -> dict[str, str]:
    """Return variable → what is wrong with it; problems between several variables have no name."""
    found: dict[str, str] = {}
    for problem in error.errors():
        variable = str(problem["loc"][0]) if problem["loc"] else ""
        if problem["type"] == "missing":
            found[variable] = missing(variable, names[variable], environment, names)
        elif variable:
            found[variable] = explain(problem, variable, names[variable], present.get(variable, ""))
        else:
            found[variable] = problem["msg"].removeprefix("Value error, ")
    return found


RING_AFTER_S = 30.0
"""The default of JOB_RING_AFTER_S. It is here and not with the doorbell, because `runtime` lies below `jobs`."""


class ServiceSettings(Settings):
    """The settings of every service."""

    database_url: SecretStr = Field(
        alias="DATABASE_URL",
        description="PostgreSQL, for example postgresql://user:password@host:5432/todoke",
        examples=["postgresql://user:password@host:5432/todoke"],
    )
    database_pooler: Literal["none", "transaction"] = Field(
        "none",
        alias="DATABASE_POOLER",
        description="transaction: DATABASE_URL points to PgBouncer or a similar pooler in transaction mode",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", alias="LOG_LEVEL", description="Least severe level to log: DEBUG, INFO, WARNING or ERROR"
    )
    ring_after_s: float = Field(
        RING_AFTER_S,
        alias="JOB_RING_AFTER_S",
        gt=0,
        description="Seconds until a waiting job gets a new message if its own must be lost; the same for all services",
    )
    startup_timeout_s: float = Field(
        300, alias="STARTUP_TIMEOUT_S", gt=0, description="Seconds to wait for database and queue before exiting"
    )

    @field_validator("database_url")
    @classmethod
    def _is_postgresql(cls, value: SecretStr) -> SecretStr:
        if not re.match(r"postgres(ql)?(\+psycopg)?://", value.get_secret_value()):
            raise ValueError("must begin with postgresql://")
        if _TWO_AT.match(value.get_secret_value()):  # the rest of the password would be taken for the host, and shown
            raise ValueError(WRITE_AS_XX)
        return value

    def database_url_of_today(self) -> str:
        """Return DATABASE_URL, read again from DATABASE_URL_FILE if it came from there. Secret."""
        return self.secret_of_today("DATABASE_URL", self.database_url)

    @property
    def through_pooler(self) -> bool:
        """True if a pooler stands between the service and PostgreSQL."""
        return self.database_pooler == "transaction"


class KeySettings(Settings):
    """The settings of programs that create API keys."""

    key_environment: str = Field(
        "live",
        alias="API_KEY_ENVIRONMENT",
        pattern=f"^{ENVIRONMENT}$",
        description="What new API keys contain after `todoke_`, to tell test keys from production keys",
    )


class CatalogSettings(Settings):
    """The settings of every service that reads the catalog."""

    catalog_path: Path | None = Field(
        None, alias="CATALOG_PATH", description="Folder of report types; default: the built-in catalog"
    )


class ArtifactSettings(Settings):
    """The settings of every service that works with finished files."""

    artifact_url: str = Field(
        "file:///var/lib/todoke/artifacts",
        alias="ARTIFACT_URL",
        description="Store of finished files: file:///folder or s3://bucket/prefix",
    )
    artifact_s3_without: str = Field(
        "",
        alias="ARTIFACT_S3_WITHOUT",
        description="Features that a non-AWS S3 store lacks, separated by commas: conditional-writes, checksums, "
        "checksum-mode, batch-deletes",
    )

    @property
    def s3_without(self) -> Sequence[str]:
        """The names in ARTIFACT_S3_WITHOUT."""
        return self.artifact_s3_without.replace(",", " ").split()

    @field_validator("artifact_url")
    @classmethod
    def _names_a_store(cls, value: str) -> str:
        parse_artifact_url(value)
        return value


class RegionSettings(Settings):
    """The settings of every service that may call AWS."""

    aws_region: str = Field(
        DEFAULT_REGION,
        alias="AWS_REGION",
        description="Region of the queue and of the bucket; default: the one that SQS_QUEUE_URL names "
        "(https://sqs.REGION.amazonaws.com/…), else AWS_DEFAULT_REGION, else ap-northeast-1",
    )

    @classmethod
    def derived(cls, environment: Mapping[str, str]) -> Mapping[str, str]:
        """The region."""
        return {"AWS_REGION": region_of(environment)}


class QueueSettings(RegionSettings):
    """The settings of programs that use the queue."""

    sqs_queue_url: str = Field(
        alias="SQS_QUEUE_URL",
        min_length=1,
        description="URL of the queue, as printed by `todoke-server setup-queues`",
        examples=["https://queue.example/1/todoke-jobs"],
    )
    sqs_dlq_url: str | None = Field(
        None, alias="SQS_DLQ_URL", description="URL of the dead-letter queue; default: read from the redrive policy"
    )

    @field_validator("sqs_queue_url", "sqs_dlq_url")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("https://", "http://")):
            raise ValueError("must begin with https:// (a name or an ARN is not enough)")
        if value is not None and value.endswith(".fifo"):  # SQS reserves this ending for FIFO queues
            raise ValueError("is that of a FIFO queue: make a standard queue, in which jobs wait for no other")
        return without_password(value)

    @model_validator(mode="after")
    def _the_queue_is_in_this_region(self) -> Self:
        named = region_in(self.sqs_queue_url)
        if named not in {None, self.aws_region}:
            raise ValueError(
                f"AWS_REGION={self.aws_region}, but the queue of SQS_QUEUE_URL is in {named}: leave AWS_REGION out"
            )
        return self


class QueueServiceSettings(QueueSettings, ServiceSettings):
    """The settings of the services that use the queue: relay and worker."""

    sqs_client: Literal["thin", "boto3"] = Field(
        "thin", alias="SQS_CLIENT", description="SQS client: thin (fast) or boto3 (standard)"
    )
    metrics_host: str = Field("0.0.0.0", alias="METRICS_HOST", description="Address of /healthz, /readyz, /metrics")  # noqa: S104 - a container must be reachable
    metrics_port: int = Field(9090, alias="METRICS_PORT", ge=0, le=65535, description="Port of these; 0: any free port")
