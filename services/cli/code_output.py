"""Shows the author of a report type what its code prints."""

import logging
import sys

from shared.reports.process import output


class _Printed(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        print(getattr(record, "text", record.getMessage()), file=sys.stderr)


def print_what_code_prints() -> None:
    """Write on stderr what the processes of reports print from now on."""
    printed = logging.getLogger(output.__name__)
    printed.handlers = [_Printed()]
    printed.setLevel(logging.INFO)
