"""The relay's settings."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from shared.jobs.unfinished import LIST_AFTER_S
from shared.runtime.egress_settings import EgressSettings
from shared.runtime.secret_settings import SecretSettings
from shared.runtime.settings import ArtifactSettings, CatalogSettings, QueueServiceSettings


class RelaySettings(ArtifactSettings, CatalogSettings, SecretSettings, EgressSettings, QueueServiceSettings):
    """What the relay reads from its environment, checked once at start."""

    batch: int = Field(1000, alias="RELAY_BATCH", ge=1, le=10_000, description="Most messages in one pass")
    send_concurrency: int = Field(8, alias="RELAY_SEND_CONCURRENCY", ge=1, le=64, description="SQS calls at once")
    send_deadline_s: float = Field(
        5, alias="RELAY_SEND_DEADLINE_S", gt=0, le=20, description="Seconds a pass may spend sending"
    )
    groups: Literal["on", "off"] = Field(
        "on",
        alias="RELAY_MESSAGE_GROUPS",
        description="Name each message's tenant as its group, for SQS's fair queues; off for a queue service that "
        "refuses it (the relay finds that out by itself)",
    )
    ahead: int = Field(
        500,
        alias="RELAY_AHEAD",
        ge=1,
        le=100_000,
        description="Most doorbells of a tenant that this relay has in the queue while no worker has started their "
        "jobs; the surplus is held, and leaves in turns",
    )
    idle_s: float = Field(
        0.15, alias="RELAY_IDLE_S", gt=0, description="Longest pause between passes when there is nothing"
    )
    sweep_every_s: float = Field(
        0.5, alias="RELAY_SWEEP_EVERY_S", gt=0, description="Pause between looks for expired leases and deadlines"
    )
    spare_s: float = Field(
        10,
        alias="RELAY_SPARE_S",
        ge=0,
        description="Seconds after an outage of the database, and after the relay's start, in which expired leases are "
        "left alone, so that live workers renew them: twice WORKER_HEARTBEAT_S",
    )
    list_after_s: float = Field(
        LIST_AFTER_S,
        alias="RELAY_LIST_AFTER_S",
        ge=0,
        description="Unfinished jobs this old are listed; the sweeper looks at every younger one in each pass",
    )
    bulk_pause_s: float = Field(
        0.5,
        alias="RELAY_BULK_PAUSE_S",
        ge=0,
        le=60,
        description="Pause of a bulk action after each 500 jobs, so that submissions and workers go on beside it",
    )
    late_after_s: float = Field(
        300,
        alias="RELAY_LATE_AFTER_S",
        gt=0,
        description="An unfinished job this old counts as late, in metrics only; the alerts' objective is the same",
    )
    retention: Literal["on", "off"] = Field(
        "on", alias="RELAY_RETENTION", description="off: nothing is removed, for example after a restore from a backup"
    )
    keep_keys_days: float = Field(
        7, alias="RELAY_KEEP_KEYS_DAYS", ge=1, le=3650, description="Days for which an Idempotency-Key is remembered"
    )
    keep_audit_days: float = Field(
        400, alias="RELAY_KEEP_AUDIT_DAYS", ge=30, le=36_500, description="Days for which the audit trail is kept"
    )
    keep_bulk_days: float = Field(
        30, alias="RELAY_KEEP_BULK_DAYS", ge=1, le=3650, description="Days for which bulk actions can be looked at"
    )
    webhook_ca_file: Path | None = Field(
        None,
        alias="WEBHOOK_CA_FILE",
        description="PEM file of the authorities that webhooks' certificates are checked with; default: the system's",
    )
