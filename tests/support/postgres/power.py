"""A power cut: PostgreSQL's postmaster and every backend end at once."""

import contextlib

import psutil

from deploy.local.postgres import EmbeddedPostgres


def cut(server: EmbeddedPostgres) -> None:
    """Kill all processes without warning, leaving none that could still answer: a backend outlives its postmaster by a
    moment. The next start recovers from the write-ahead log.
    """
    postmaster = psutil.Process(server.pid)
    postmaster.suspend()  # so that no further backend starts
    backends = postmaster.children(recursive=True)
    server.kill()
    for backend in backends:
        with contextlib.suppress(psutil.NoSuchProcess):
            backend.kill()
    _, alive = psutil.wait_procs(backends, timeout=30)
    assert not alive
