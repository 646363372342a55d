"""The settings that say where webhooks may lead."""

from pydantic import Field, field_validator

from shared.runtime.egress import Egress, read_networks, read_ports
from shared.runtime.settings import Settings


class EgressSettings(Settings):
    """The settings of every service that connects to addresses of tenants, or takes such addresses."""

    webhook_networks: str = Field(
        "",
        alias="WEBHOOK_NETWORKS",
        description="Networks besides the public internet that webhooks may address, also over plain http, separated "
        "by commas: 10.1.0.0/16, or the names `loopback` and `private`; default: none",
    )
    webhook_refuse: str = Field(
        "",
        alias="WEBHOOK_REFUSE",
        description="Networks that webhooks may never address, such as your own public ones",
    )
    webhook_ports: str = Field(
        "443,8443", alias="WEBHOOK_PORTS", description="Ports that webhooks may address, such as `443,1024-65535`"
    )

    @field_validator("webhook_networks", "webhook_refuse")
    @classmethod
    def _name_networks(cls, value: str) -> str:
        read_networks(value)
        return value

    @field_validator("webhook_ports")
    @classmethod
    def _name_ports(cls, value: str) -> str:
        read_ports(value)
        return value

    @property
    def egress(self) -> Egress:
        """Where webhooks may lead."""
        return Egress(
            read_networks(self.webhook_networks), read_networks(self.webhook_refuse), read_ports(self.webhook_ports)
        )
