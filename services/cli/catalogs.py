"""The catalog that a command works on."""

import os
from pathlib import Path

HERE = Path("catalog")
"""What a command takes where neither an argument nor CATALOG_PATH names a catalog."""


def chosen_catalog(given: Path | None) -> Path:
    """Return the folder that was given, or that of CATALOG_PATH, or ./catalog, whether it exists or not."""
    return given or Path(os.environ.get("CATALOG_PATH") or HERE)
