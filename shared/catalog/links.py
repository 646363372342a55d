"""Links in a catalog may lead anywhere inside it, as those of a Kubernetes ConfigMap do, but never out of it.

Otherwise anyone with write access to the folder of one report type could have every file of the service printed in a
report.
"""

import os
from collections.abc import Iterator
from pathlib import Path


def leading_out(root: Path) -> Iterator[Path]:
    """Yield the links below `root` whose target is outside, or the root itself.

    Hidden links are left out: nothing reads them.
    """
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
