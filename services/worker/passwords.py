"""The passwords of the files that jobs ask for. Each is opened for the attempt that needs it, and is not kept."""

import logging

from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

from shared.access.secret_keys import SecretKeys, SecretKeysWrong, SecretNotReadable, SecretsNotKept
from shared.failures import FailureCode
from shared.jobs import passwords
from shared.jobs.lease import StartedJob
from shared.reports.errors import failure

log = logging.getLogger(__name__)


class Passwords:
    """Reads and decrypts passwords. Safe to use from several threads."""

    def __init__(self, engine: Engine, keys: SecretKeys) -> None:
        self._engine = engine
        self._keys = keys

    def of(self, job: StartedJob) -> str | None:
        """Return the password of the job's files; None for a job without one, which costs no query.

        Raises ReportError(password_not_readable), which is not the job's fault.
        """
        if not (job.options or {}).get(passwords.ENCRYPTED):
            return None
        job_id = job.lease.job_id
        try:
            with self._engine.connect() as conn:
                sealed = passwords.read(conn, job_id)
            if sealed is not None:
                return self._keys.open(sealed, of=passwords.owner_of_password(job_id)).decode()
            reason = "the job has ended or was deleted"
        except (SecretKeysWrong, SecretNotReadable, SecretsNotKept, SQLAlchemyError) as error:
            reason = f"{type(error).__name__}: {error}"
        log.error("password.not_readable", extra={"reason": reason})
        raise failure(FailureCode.PASSWORD_NOT_READABLE, "This worker cannot read the password of the job's files.")
