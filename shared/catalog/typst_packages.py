"""Finds the packages that Typst templates import.

None is ever downloaded: a report is made from its own folder alone.
"""

import re
from collections.abc import Iterator
from pathlib import Path

_PACKAGE = re.compile(r'"(@[a-z][\w-]*/[\w-]+(:[\w.-]+)?)"')
"""A specification such as "@preview/cetz:0.2.0"."""
_COMMENT = re.compile(r"(^|\s)//.*")


def packages_in(template: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the specification of each package that the template imports. Raises OSError."""
    for number, line in enumerate(template.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        for found in _PACKAGE.finditer(_COMMENT.sub("", line)):
            yield number, found[1]


def package_problems(folder: Path) -> Iterator[str]:
    """Yield a problem for each package that a template in `folder` imports."""
    for template in sorted(folder.rglob("*.typ")):
        if template.is_file():
            for line, package in packages_in(template):
                yield (
                    f"{template}:{line}: asks for the package {package}, and none is fetched: put its files into "
                    f"{folder} and import them by their path"
                )
