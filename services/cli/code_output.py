"""Shows the author of a report type what its code prints, and what it raises."""

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
    """Write on stderr what the processes of reports print from now on, and the traceback of what nobody foresaw."""
    for module, handler in ((output, _Printed()), (child, _Raised())):
        logger = logging.getLogger(module.__name__)
        logger.handlers = [handler]
        logger.setLevel(logging.INFO)
