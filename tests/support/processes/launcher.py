"""`python -m tests.support.processes.launcher services.worker`: runs a service and ends it at a chosen durable effect.

Every durable effect passes through SQLAlchemy, `SqsCalls` or the artifact store; this module listens there, so
production code has no hooks. Each effect is appended to the file EFFECTS_FILE. STOP_AT is `name|before|3`: at the third
time of that effect, before (or after) it happens, the process gets STOP_SIGNAL (KILL by default).
"""

import functools
import os
import pathlib
import re
import runpy
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import sqlalchemy.engine
from sqlalchemy import event
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from shared.artifacts.disk import DiskStore
from shared.database.statements import statement_name
from shared.queues.calls import HOT, SqsCalls

_WRITES = re.compile(r"\b(INSERT|UPDATE|DELETE)\b")


class Effects:
    """Counts, records and stops."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._file = environment.get("EFFECTS_FILE")
        self._plan = environment.get("STOP_AT", "").split("|")
        self._signal = signal.Signals[f"SIG{environment.get('STOP_SIGNAL', 'KILL')}"]
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def at(self, name: str, phase: str) -> None:
        """Note that an effect is about to happen (`before`), or has happened (`after`)."""
        with self._lock:
            self._counts[name, phase] += 1
            if self._file and phase == "before":
                with pathlib.Path(self._file).open("a") as file:
                    file.write(name + "\n")
            if self._plan == [name, phase, str(self._counts[name, phase])]:
                os.kill(os.getpid(), self._signal)

    def around(self, name: str, action: Callable[..., Any]) -> Callable[..., Any]:
        """Return `action`, with both phases."""

        @functools.wraps(action)
        def watched(*arguments: Any, **keywords: Any) -> Any:
            self.at(name, "before")
            result = action(*arguments, **keywords)
            self.at(name, "after")
            return result

        return watched


def listen(effects: Effects) -> None:
    """Install the listeners where effects pass."""

    def effect(sql: str) -> str | None:
        return f"sql {statement_name(sql)}" if _WRITES.search(sql) else None

    def before(_conn: Any, _cursor: Any, sql: str, *_: Any) -> None:
        if name := effect(sql):
            effects.at(name, "before")

    def after(_conn: Any, _cursor: Any, sql: str, *_: Any) -> None:
        if name := effect(sql):
            effects.at(name, "after")

    event.listen(sqlalchemy.engine.Engine, "before_cursor_execute", before)
    event.listen(sqlalchemy.engine.Engine, "after_cursor_execute", after)
    dialect: Any = PGDialect_psycopg
    dialect.do_commit = effects.around("COMMIT", PGDialect_psycopg.do_commit)
    calls_of: Any = SqsCalls
    call = SqsCalls.__call__

    def sqs_call(calls: SqsCalls, operation: str, arguments: Any) -> Any:
        if operation not in HOT:
            return call(calls, operation, arguments)
        return effects.around(f"sqs {operation}", call)(calls, operation, arguments)

    calls_of.__call__ = sqs_call
    store: Any = DiskStore
    store.put = effects.around("store put", DiskStore.put)
    store.delete = effects.around("store delete", DiskStore.delete)
    path: Any = pathlib.Path
    path.hardlink_to = effects.around("store link", pathlib.Path.hardlink_to)


if __name__ == "__main__":
    listen(Effects(dict(os.environ)))
    module = sys.argv[1]
    sys.argv = [module, *sys.argv[2:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
