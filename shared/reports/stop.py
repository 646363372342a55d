"""What a child still does when its worker no longer wants the report."""

import contextlib
from collections.abc import Callable, Iterator

_wishes: list[Callable[[], object]] = []


@contextlib.contextmanager
def on_stop(act: Callable[[], object]) -> Iterator[None]:
    """Within the block, `act` is called once, from another thread, if the report is stopped. It must be quick."""
    _wishes.append(act)
    try:
        yield
    finally:
        _wishes.remove(act)


def stop() -> None:
    """Carry out every wish; the process ends after this."""
    for act in _wishes:
        with contextlib.suppress(Exception):
            act()
