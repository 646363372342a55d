"""The fork server's memory goes into huge pages where the kernel can, and nothing else changes."""

import errno
import mmap

import pytest

from shared.reports.process import huge_pages, kernel

HUGE = 2 << 20


def test_whole_huge_pages_of_private_memory_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(kernel, "advise", lambda address, length, advice: asked.append((address, length)))
    with mmap.mmap(-1, 4 * HUGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory[0] = 1
        huge_pages.use()

    assert asked
    assert all(address % HUGE == 0 and length % HUGE == 0 and length > 0 for address, length in asked)
    assert sum(length for _, length in asked) >= 3 * HUGE


def test_a_kernel_that_refuses_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EINVAL, "what is MADV_COLLAPSE?")

    monkeypatch.setattr(kernel, "advise", refuse)

    huge_pages.use()
