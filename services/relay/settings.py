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

    batch: int = Field(1000, alias="RELAY_BATCH", ge=1, le=10_000, description="Maximum messages in one pass")
    send_concurrency: int = Field(
        8, alias="RELAY_SEND_CONCURRENCY", ge=1, le=64, description="Maximum concurrent SQS calls"
    )
    send_deadline_s: float = Field(
        5, alias="RELAY_SEND_DEADLINE_S", gt=0, le=20, description="Seconds a pass may spend sending"
    )
    groups: Literal["on", "off"] = Field(
        "on",
        alias="RELAY_MESSAGE_GROUPS",
        description="Set each message's group to its tenant, for SQS fair queues; off for a queue service that "
        "rejects it (the relay detects that automatically)",
    )
    ahead: int = Field(
        500,
        alias="RELAY_AHEAD",
        ge=1,
        le=100_000,
        description="Maximum doorbells of a tenant that this relay has in the queue while no worker has started their "
        "jobs; the surplus is held and sent in turns",
    )
    idle_s: float = Field(
        0.15,
        alias="RELAY_IDLE_S",
        gt=0,
        description="Longest pause in seconds between passes when there is nothing to send",
    )
    sweep_every_s: float = Field(
        0.5, alias="RELAY_SWEEP_EVERY_S", gt=0, description="Seconds between checks for expired leases and deadlines"
    )
    spare_s: float = Field(
        10,
        alias="RELAY_SPARE_S",
        ge=0,
        description="Seconds after a database outage, and after the relay's start, during which expired leases are "
        "left alone so that live workers can renew them: twice WORKER_HEARTBEAT_S",
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
        description="Seconds that a bulk action pauses after each 500 jobs, so that other work can proceed",
    )
    late_after_s: float = Field(
        300,
        alias="RELAY_LATE_AFTER_S",
        gt=0,
        description="Age in seconds at which an unfinished job counts as late in metrics; the same in alerts",
    )
    retention: Literal["on", "off"] = Field(
        "on", alias="RELAY_RETENTION", description="off: nothing is deleted, for example after a restore from a backup"
    )
    keep_keys_days: float = Field(
        7, alias="RELAY_KEEP_KEYS_DAYS", ge=1, le=3650, description="Days for which an Idempotency-Key is remembered"
    )
    keep_audit_days: float = Field(
        400, alias="RELAY_KEEP_AUDIT_DAYS", ge=30, le=36_500, description="Days for which the audit trail is kept"
    )
    keep_bulk_days: float = Field(
        30, alias="RELAY_KEEP_BULK_DAYS", ge=1, le=3650, description="Days for which bulk actions can be viewed"
    )
    webhook_ca_file: Path | None = Field(
        None,
        alias="WEBHOOK_CA_FILE",
        description="PEM file of the authorities for verifying webhooks' certificates; default: the system's",
    )
