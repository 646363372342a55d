"""What one test does to the process is undone for the next."""

import logging
import sys
import threading

from shared.runtime import logs


def test_a_command_sets_up_logging() -> None:
    logs.configure("here")

    assert logs.level() == "INFO"


def test_and_the_next_test_sees_nothing_of_it() -> None:
    assert logs.level() is None
    assert "Json" not in repr([handler.formatter for handler in logging.getLogger().handlers])
    assert sys.unraisablehook.__module__ != logs.__name__
    assert threading.excepthook.__module__ != logs.__name__
