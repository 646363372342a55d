"""Starts the emulator as the queue (port 9324) or, given identities, as the store (port 9000)."""

import json
import os
import sys
from pathlib import Path

IDENTITIES = Path("/run/secrets/store-identities")

environment = {
    **os.environ,
    "GATEWAY_PORT": "9324",
    "BIND_HOST": "0.0.0.0",  # noqa: S104 - a container's own network
    "SERVICES": "sqs",
    "PERSIST_STATE": "1",
    "STATE_DIR": "/tmp/state",  # noqa: S108 - a container's own
    "IOT_MTLS_ENABLED": "0",
}
if IDENTITIES.exists():
    # It knows one key, and refuses links signed with another: the API's, since the API signs.
    identities = {one["name"]: one["credentials"][0] for one in json.loads(IDENTITIES.read_text())["identities"]}
    environment |= {
        "GATEWAY_PORT": "9000",
        "SERVICES": "s3",
        "STATE_DIR": "/data/state",
        "S3_PERSIST": "1",
        "S3_DATA_DIR": "/data/s3",
        "AWS_ACCESS_KEY_ID": identities["api"]["accessKey"],
        "AWS_SECRET_ACCESS_KEY": identities["api"]["secretKey"],
    }
os.execvpe(sys.executable, [sys.executable, "-m", "ministack"], environment)  # noqa: S606 - becomes PID 1
