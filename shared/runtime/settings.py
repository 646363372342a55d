"""How a service reads its environment: once, at start, with errors that an operator can act on."""

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from shared.errors import TodokeError


class SettingsError(TodokeError):
    """The environment does not make a working service. The message names every variable that is wrong."""


class Settings(BaseModel):
    """Base of a service's settings. Each field's alias is its environment variable.

    Values never appear in errors (`hide_input_in_errors`): one of them may be a password.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, extra="ignore")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read and check the variables. An empty one counts as unset; a secret may be in the file that NAME_FILE names.

        Raises SettingsError naming all problems.
        """
        names = cls.variables()
        present: dict[str, str] = {}
        problems: list[str] = []
        for name, field in names.items():
            try:
                value = secret(environment, name) if _is_secret(field) else environment.get(name)
            except SettingsError as problem:
                problems.append(str(problem))
            else:
                present |= {name: value} if value else {}
        if problems:
            raise SettingsError("\n".join(problems))
        try:
            return cls.model_validate(present)
        except ValidationError as error:
            raise SettingsError(_explain(error, names, environment)) from None

    @classmethod
    def variables(cls) -> dict[str, Any]:
        """Environment variable → pydantic field, in the order the documentation lists them."""
        return {field.alias or name: field for name, field in cls.model_fields.items()}


def secret(environment: Mapping[str, str], name: str) -> str | None:
    """Returns the variable `name`, or the content of the file that NAME_FILE names.

    None when neither is set. Raises SettingsError when both are, or when the file cannot be read.
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


def _explain(error: ValidationError, names: Mapping[str, Any], environment: Mapping[str, str]) -> str:
    lines = []
    for problem in error.errors():
        variable = str(problem["loc"][0]) if problem["loc"] else ""
        if problem["type"] == "missing":
            # A typo shows as one missing variable and a similar one that nothing reads.
            near = difflib.get_close_matches(variable, set(environment) - set(names), n=1, cutoff=0.8)
            hint = f" (found {near[0]}; is that a typo?)" if near else ""
            lines.append(f"{variable} is not set{hint}: {names[variable].description or 'required'}")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            lines.append(f"{variable}: {message}" if variable else message)
    return "\n".join(lines)


RING_AFTER_S = 30.0
"""The default of JOB_RING_AFTER_S. It stands here and not with the doorbell, because `runtime` lies below `jobs`."""


class ServiceSettings(Settings):
    """The settings of every service."""

    database_url: SecretStr = Field(
        alias="DATABASE_URL", description="PostgreSQL, for example postgresql://user:password@host:5432/todoke"
    )
    database_pooler: Literal["none", "transaction"] = Field(
        "none",
        alias="DATABASE_POOLER",
        description="transaction: DATABASE_URL leads to PgBouncer or the like in transaction mode",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", alias="LOG_LEVEL", description="Least severe level to log: DEBUG, INFO, WARNING or ERROR"
    )
    ring_after_s: float = Field(
        RING_AFTER_S,
        alias="JOB_RING_AFTER_S",
        gt=0,
        description="A job that waits this long gets a new message if its own must be lost; the same for all services",
    )
    startup_timeout_s: float = Field(
        300, alias="STARTUP_TIMEOUT_S", gt=0, description="Seconds to wait for database and queue before giving up"
    )

    @field_validator("database_url")
    @classmethod
    def _is_postgresql(cls, value: SecretStr) -> SecretStr:
        if not re.match(r"postgres(ql)?(\+psycopg)?://", value.get_secret_value()):
            raise ValueError("must begin with postgresql://")
        return value

    @property
    def through_pooler(self) -> bool:
        """True if a pooler stands between the service and PostgreSQL."""
        return self.database_pooler == "transaction"


class CatalogSettings(Settings):
    """The settings of every service that knows the report types."""

    catalog_path: Path | None = Field(
        None, alias="CATALOG_PATH", description="Folder of report types; default: the built-in catalog"
    )


class ArtifactSettings(Settings):
    """The settings of every service that works with finished files."""

    artifact_url: str = Field(
        "file:///var/lib/todoke/artifacts",
        alias="ARTIFACT_URL",
        description="Where finished files are: file:///folder or s3://bucket/prefix",
    )
    artifact_s3_without: str = Field(
        "",
        alias="ARTIFACT_S3_WITHOUT",
        description="What an S3 store of another maker refuses, with commas between: conditional-writes, checksums, "
        "checksum-mode, batch-deletes",
    )

    @property
    def s3_without(self) -> Sequence[str]:
        """The names in ARTIFACT_S3_WITHOUT."""
        return self.artifact_s3_without.replace(",", " ").split()


AWS_REGION = Field(
    alias="AWS_REGION", min_length=1, description="Region of the queue and of the bucket, for example eu-west-1"
)
"""Relay and worker must have it; the API needs it for s3:// only."""


class QueueServiceSettings(ServiceSettings):
    """The settings of the services that use the queue: relay and worker."""

    sqs_queue_url: str = Field(
        alias="SQS_QUEUE_URL", min_length=1, description="URL of the queue, as `todoke-server setup-queues` prints it"
    )
    sqs_dlq_url: str | None = Field(
        None, alias="SQS_DLQ_URL", description="URL of the dead-letter queue; default: read from the redrive policy"
    )
    aws_region: Annotated[str, AWS_REGION]
    sqs_client: Literal["thin", "boto3"] = Field(
        "thin", alias="SQS_CLIENT", description="What sends, receives and deletes: thin (fast) or boto3 (plain)"
    )
    metrics_host: str = Field("0.0.0.0", alias="METRICS_HOST", description="Address of /healthz, /readyz, /metrics")  # noqa: S104 - a container must be reachable
    metrics_port: int = Field(9090, alias="METRICS_PORT", ge=0, le=65535, description="Port of the same; 0: any free")

    @field_validator("sqs_queue_url", "sqs_dlq_url")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("https://", "http://")):
            raise ValueError("must begin with https:// (a name or an ARN is not enough)")
        return value
