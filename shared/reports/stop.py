"""Runs what a child must still do when its worker no longer wants the report."""

import contextlib
from collections.abc import Callable, Iterator

_acts: list[Callable[[], object]] = []


@contextlib.contextmanager
def on_stop(act: Callable[[], object]) -> Iterator[None]:
    """Call `act` once, from another thread, if the report is stopped within the block. It must be quick."""
    _acts.append(act)
    try:
        yield
    finally:
        _acts.remove(act)


def stop() -> None:
    """Run everything that `on_stop` registered. The process ends after this."""
    for act in _acts:
        with contextlib.suppress(Exception):
            act()
