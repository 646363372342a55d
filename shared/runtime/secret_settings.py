"""The setting that names the keys for secrets in the database."""

from pathlib import Path

from pydantic import Field

from shared.runtime.settings import Settings


class SecretSettings(Settings):
    """The settings of every service that stores secrets for others, or uses them."""

    secrets_key_file: Path | None = Field(
        None,
        alias="SECRETS_KEY_FILE",
        description="File of the keys that seal secrets in the database (of webhooks, passwords of files): per line a "
        "name and 32 bytes in Base64; the last line seals, every line opens. Default: no secrets can be stored",
    )
