"""The threads that delete messages, when a worker stops."""

import threading
from functools import partial

import pytest

from services.worker import acknowledgements
from services.worker.acknowledgements import Acknowledgements
from shared.queues.interface import Outgoing
from shared.runtime.loop import run_until
from tests.support.sqs.double import InMemoryQueue


def test_at_a_stop_no_thread_waits_for_a_first_receipt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acknowledgements, "_LOOK_EVERY_S", 600.0)
    queue, stop = InMemoryQueue(), threading.Event()
    queue.send([Outgoing(0, "late")], deadline_s=1)
    (message,) = queue.receive(1, wait_s=0, visibility_s=600)
    one = Acknowledgements(queue)
    loop = partial(run_until, stop, one.run_once, idle_s=0.001)
    threads = [threading.Thread(target=loop, daemon=True) for _ in range(acknowledgements.THREADS)]
    for thread in threads:
        thread.start()

    one.add([message.receipt])
    stop.set()
    one.end()
    for thread in threads:
        thread.join(60)
    one.flush()

    assert [thread for thread in threads if thread.is_alive()] == []
    assert queue.depth().in_flight == 0
