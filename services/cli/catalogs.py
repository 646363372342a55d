"""The catalog that a command works on."""

import os
from pathlib import Path

HERE = Path("catalog")
"""The catalog that a command uses if neither an argument nor CATALOG_PATH names one."""


def chosen_catalog(given: Path | None) -> Path:
    """Return the given folder, or that of CATALOG_PATH, or ./catalog, whether it exists or not."""
    return given or Path(os.environ.get("CATALOG_PATH") or HERE)
