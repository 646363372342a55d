"""The processes behind the reports of this test process: its fork server, and that one's forks."""

from collections.abc import Collection

import psutil

from shared.reports.process import child
from tests.support.eventually import eventually


def the_fork_server() -> int:
    """Its id. It runs."""
    pid = child.launcher.server_pid
    assert pid is not None
    return pid


def the_children() -> Collection[int]:
    """The ids of the children that make a report now."""
    return frozenset(child._alive)


def the_child() -> int:
    """The one child that makes a report now."""
    [pid] = the_children()
    return pid


def spares() -> list[int]:
    """The ids of the children that wait for a report.

    Another test of this process may have had a chart drawn: what draws them was forked by the same server, and stays.
    """
    drawing = child.charts._process
    others = {*the_children(), drawing.pid if drawing else None}
    return [one.pid for one in psutil.Process(the_fork_server()).children() if one.pid not in others]


def the_spare() -> int:
    """The one child that waits for a report, as soon as nothing else is left of those before."""
    found: list[int] = []

    def there() -> bool:
        found[:] = spares()
        return len(found) == 1

    eventually(there, within_s=20, what="there is a spare child, and no stray")
    return found[0]
