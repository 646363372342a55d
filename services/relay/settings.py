"""What the relay reads from its environment."""

from typing import Literal

from pydantic import Field

from shared.artifacts.open import DEFAULT_URL
from shared.runtime.settings import QueueServiceSettings


class RelaySettings(QueueServiceSettings):
    """Checked once at start."""

    batch: int = Field(1000, alias="RELAY_BATCH", ge=1, le=10_000, description="Most messages in one pass")
    send_concurrency: int = Field(8, alias="RELAY_SEND_CONCURRENCY", ge=1, le=64, description="SQS calls at once")
    send_deadline_s: float = Field(
        5, alias="RELAY_SEND_DEADLINE_S", gt=0, le=20, description="Seconds a pass may spend sending"
    )
    idle_s: float = Field(
        0.15, alias="RELAY_IDLE_S", gt=0, description="Longest pause between passes when there is nothing"
    )
    sweep_every_s: float = Field(
        0.5, alias="RELAY_SWEEP_EVERY_S", gt=0, description="Pause between looks for expired leases and deadlines"
    )
    list_after_s: float = Field(
        5,
        alias="RELAY_LIST_AFTER_S",
        ge=0,
        description="Unfinished jobs this old are listed; the sweeper looks at every younger one in each pass",
    )
    late_after_s: float = Field(
        300,
        alias="RELAY_LATE_AFTER_S",
        gt=0,
        description="An unfinished job this old counts as late, in metrics only; the alerts' objective is the same",
    )
    ring_after_s: float = Field(
        30,
        alias="RELAY_RING_AFTER_S",
        gt=0,
        description="A waiting job this late is rung again, if its doorbell should have come through by now",
    )
    artifact_url: str = Field(
        DEFAULT_URL,
        alias="ARTIFACT_URL",
        description="Where finished files are, to remove them: file:///folder or s3://bucket/prefix",
    )
    retention: Literal["on", "off"] = Field(
        "on", alias="RELAY_RETENTION", description="off: nothing is removed, for example after a restore from a backup"
    )
    keep_keys_days: float = Field(
        7, alias="RELAY_KEEP_KEYS_DAYS", ge=1, le=3650, description="Days for which an Idempotency-Key is remembered"
    )
