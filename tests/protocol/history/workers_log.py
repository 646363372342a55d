"""The log of this process's workers, as facts of a history."""

import logging

from shared.jobs.states import JobStatus
from shared.runtime import logs
from tests.support.history.facts import Ended, History, Met


class WorkersLog(logging.Handler):
    """What workers say that they ended is what they were told; what an attempt failed of they say themselves."""

    def __init__(self, history: History) -> None:
        super().__init__()
        self._history = history

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        said = {**logs._context.get(), **vars(record)}
        match record.getMessage():
            case "attempt.ended":
                self._history.ended.append(Ended(said["job_id"], said["lease_token"], JobStatus(said["status"])))
            case "attempt.failed":
                self._history.met.append(Met(said["job_id"], said["lease_token"], said["code"], record.created))
