"""Logs go to stderr, one JSON object per line, with the current job taken from the context."""

import contextvars
import json
import logging
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType

_log = logging.getLogger(__name__)
_context: contextvars.ContextVar[Mapping[str, object]] = contextvars.ContextVar("log_context", default={})  # noqa: B039 - never mutated

# Attributes that every LogRecord has. All others were passed as `extra`.
_STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {
    "message",
    "asctime",
    "taskName",
    "color_message",  # from uvicorn, with the escape codes of a terminal
}


class context:  # noqa: N801 - used as a function is
    """Adds `fields` (job_id, attempt, lease_token …) to every line that this thread or task logs inside the block."""

    def __init__(self, **fields: object) -> None:
        self._fields = fields

    def __enter__(self) -> None:
        self._token = _context.set({**_context.get(), **self._fields})

    def __exit__(self, *_: object) -> None:
        _context.reset(self._token)


class JsonFormatter(logging.Formatter):
    """Writes time, level, service, logger, event, the context's fields, the record's `extra` and its traceback."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line. Values that JSON cannot hold are shown as text."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "event": record.getMessage(),
            **_context.get(),
        }
        line.update({k: v for k, v in vars(record).items() if k not in _STANDARD})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


_configured: list[str] = []


def level() -> str | None:
    """Return the level of this process's log, for `take_over` in a child. None in a command, which does not log."""
    return _configured[-1] if _configured else None


def take_over(level: str | None) -> None:
    """Log plain lines to stderr, which the parent reads and logs.

    Without a level, log nothing: the command itself prints errors.
    """
    if level is None:
        silence()
        return
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr, force=True)
    _quieten()


def silence() -> None:
    """Keep libraries from writing lines of their own, as Python allows where logging is not configured."""
    logging.getLogger().addHandler(logging.NullHandler())


def configure(service: str, level: str = "INFO") -> None:
    """Send every logger's records of `level` and above to stderr as JSON. Called once, by `__main__`."""
    _configured[:] = [level]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    _quieten()
    _log_what_nobody_catches()


def _quieten() -> None:
    # botocore logs whole requests at DEBUG, signatures included.
    for noisy in ("botocore", "boto3", "urllib3", "s3transfer"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.captureWarnings(True)


def _log_what_nobody_catches() -> None:
    """Log uncaught errors as JSON: Python itself would print a traceback, which breaks log parsers."""

    def of_the_process(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
        else:
            _log.critical("process.broken", exc_info=(kind, error, trace))

    def of_a_thread(what: threading.ExceptHookArgs) -> None:
        if what.exc_value is not None and not isinstance(what.exc_value, SystemExit):
            name = what.thread.name if what.thread else ""
            _log.error(
                "thread.broken",
                exc_info=(what.exc_type, what.exc_value, what.exc_traceback),
                extra={"broken_thread": name},
            )

    def of_a_finalizer(what: "sys.UnraisableHookArgs") -> None:
        if what.exc_value is not None:
            _log.error("finalizer.broken", exc_info=(what.exc_type, what.exc_value, what.exc_traceback))

    sys.excepthook = of_the_process
    threading.excepthook = of_a_thread
    sys.unraisablehook = of_a_finalizer
