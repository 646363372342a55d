"""Links in a catalog may lead anywhere inside it, as those of a Kubernetes ConfigMap do, and never out of it.

Whoever may write into the folder of one report type would otherwise have every file of the service printed in it.
"""

import os
from collections.abc import Iterator
from pathlib import Path


def leading_out(root: Path) -> Iterator[Path]:
    """The links below `root` whose target lies outside, or is itself. Hidden ones are left out: nothing reads them."""
    inside = root.resolve()
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted([*folders, *files]):
            path = Path(folder) / name
            if not name.startswith(".") and path.is_symlink() and not is_inside(path, inside):
                yield path


def is_inside(path: Path, root: Path) -> bool:
    """True if `path`, with all links followed, lies below `root`, which has none."""
    try:
        return path.resolve().is_relative_to(root)
    except (OSError, RuntimeError):  # it leads in a circle
        return False
