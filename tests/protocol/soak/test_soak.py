"""A quarter of a minute of what `make soak` does for ten minutes.

The seed draws a kill, a locked row and refused writes first.
"""

import tempfile
from pathlib import Path

from tests.protocol.soak.__main__ import soak
from tests.protocol.soak.whole_system import make_folder


def test_a_short_soak_is_clean() -> None:
    with tempfile.TemporaryDirectory(prefix="todoke-soak-", ignore_cleanup_errors=True) as folder:
        board = soak(make_folder(Path(folder)), minutes=0.25, seed=113)

    assert board.verdict.broken == {}
    assert board.drained_s is not None
    assert board.history.jobs
    assert board.faults
