"""Shows the author of a report type what its code prints, and the exceptions that it raises."""

import logging
import sys

from shared.reports.process import child, output


class _Printed(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        print(getattr(record, "text", record.getMessage()), file=sys.stderr)


class _Raised(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if told := getattr(record, "traceback", ""):
            print(told, end="", file=sys.stderr)


def print_what_code_prints() -> None:
    """From now on, write to stderr what the processes of reports print, and the tracebacks of unexpected exceptions."""
    for module, handler in ((output, _Printed()), (child, _Raised())):
        logger = logging.getLogger(module.__name__)
        logger.handlers = [handler]
        logger.setLevel(logging.INFO)
