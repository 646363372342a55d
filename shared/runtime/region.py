"""Which AWS region a service works in."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

DEFAULT_REGION = "ap-northeast-1"

# Endpoints of Amazon SQS: current, FIPS, dual-stack, VPC, legacy (AWS General Reference, read 2026-11-28).
_HOSTS = (
    re.compile(r"(?:[a-z0-9-]+\.)*sqs(?:-fips)?\.([a-z0-9-]+)\.(?:vpce\.)?(?:amazonaws\.com(?:\.cn)?|api\.aws)"),
    re.compile(r"([a-z0-9-]+)\.queue\.amazonaws\.com(?:\.cn)?"),
)


def region_of(environment: Mapping[str, str]) -> str:
    """Return AWS_REGION; else the region that SQS_QUEUE_URL names; else AWS_DEFAULT_REGION; else Tokyo's."""
    return (
        environment.get("AWS_REGION")
        or region_in(environment.get("SQS_QUEUE_URL", ""))
        or environment.get("AWS_DEFAULT_REGION")
        or DEFAULT_REGION
    )


def region_in(queue_url: str) -> str | None:
    """Return the region in the address of a queue: `https://sqs.REGION.amazonaws.com/…`. None for an emulator's."""
    try:
        host = urlsplit(queue_url).hostname or ""
    except ValueError:
        return None
    if host == "queue.amazonaws.com":
        return "us-east-1"
    found = next((match for pattern in _HOSTS if (match := pattern.fullmatch(host))), None)
    return found[1] if found else None
