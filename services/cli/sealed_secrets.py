"""`todoke-server secrets`: list which key has sealed which secrets in the database, and re-encrypt them with the
newest.
"""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sqlalchemy.engine import Connection, Engine

from services.cli.errors import WrongCall
from services.cli.keys import SUBJECT
from services.cli.rows import print_rows
from services.cli.settings import service_settings
from shared.access import audit
from shared.access.audit import Action, Actor
from shared.access.secret_keys import Sealed, SecretKeys, SecretKeysWrong, SecretNotReadable
from shared.database.engine import create_engine, transactional
from shared.database.health import check_database
from shared.jobs import passwords
from shared.runtime.secret_settings import SecretSettings
from shared.runtime.settings import SettingsError
from shared.webhooks import sealing
from shared.webhooks.store import owner_of_secret


def run(given: argparse.Namespace) -> int:
    """Show the keys with what they have sealed, or seal it again. Returns 1 if a secret cannot be opened."""
    keys = _keys()
    settings = service_settings()
    engine = create_engine(
        settings.database_url.get_secret_value(),
        application_name="todoke-secrets",
        pool_size=1,
        through_pooler=settings.through_pooler,
    )
    try:
        check_database(engine)
        return _show(engine, keys, given) if given.action == "list" else _reseal(engine, keys)
    finally:
        engine.dispose()


def _keys() -> SecretKeys:
    try:
        file = SecretSettings.from_environment(os.environ).secrets_key_file
        if file is None:
            raise WrongCall("SECRETS_KEY_FILE is not set: name the file that the API, the relay and the workers have")
        return SecretKeys(file)
    except (SettingsError, SecretKeysWrong) as error:
        raise WrongCall(str(error)) from None


def _show(engine: Engine, keys: SecretKeys, given: argparse.Namespace) -> int:
    with engine.connect() as conn:
        sealed = Counter({**sealing.by_key(conn)}) + Counter({**passwords.by_key(conn)})
    names = [*keys.names, *(name for name in sealed if name not in keys.names)]
    rows = [
        {
            "key": name, "secrets": sealed.get(name, 0), "inFile": name in keys.names,
            "seals": name == keys.newest,
        }
        for name in names
    ]  # fmt: skip
    print_rows(("key", "secrets", "inFile", "seals"), rows, given.output)
    missing = [name for name in sealed if name not in keys.names]
    if missing:
        print(f"the file has no line of {', '.join(missing)}: put it back above the others", file=sys.stderr)
    return 1 if missing else 0


class _Kind(NamedTuple):
    """A kind of secret, and how its secrets are found."""

    others: Callable[[Connection, str, Any], Sequence[Any]]
    """Some secrets after that place that a key other than the newest has sealed; locked."""
    reseal: Callable[[Connection, Any, Sealed], None]
    beginning: object
    place: Callable[[Any], object]
    owner: Callable[[Any], str]
    named: Callable[[Any], str]
    """The audit trail's name for the owner of the secret."""
    action: Action


_KINDS = (
    _Kind(
        lambda conn, newest, after: sealing.of_other_keys(conn, newest, after),
        sealing.reseal,
        sealing.BEGINNING,
        lambda row: (row.webhook_id, row.number),
        lambda row: owner_of_secret(row.webhook_id),
        lambda row: f"webhooks/{row.webhook_id}",
        Action.WEBHOOKS_RESEAL,
    ),
    _Kind(
        lambda conn, newest, after: passwords.of_other_keys(conn, newest, after),
        passwords.reseal,
        passwords.BEGINNING,
        lambda row: row.job_id,
        lambda row: passwords.owner_of_password(row.job_id),
        lambda row: f"jobs/{row.job_id}",
        Action.JOBS_RESEAL,
    ),
)


def _reseal(engine: Engine, keys: SecretKeys) -> int:
    """Re-encrypt them, one slice per transaction. If it is interrupted, the next call does the rest."""
    done, unread = 0, 0
    for kind in _KINDS:
        after: object = kind.beginning
        while True:
            with transactional(engine).begin() as conn:
                rows = kind.others(conn, keys.newest, after)
                opened = [one for row in rows if (one := _opened(keys, kind, row)) is not None]
                for row, secret in opened:
                    kind.reseal(conn, row, keys.seal(secret, of=kind.owner(row)))
                    _note(conn, kind, row, keys.newest)
            done, unread = done + len(opened), unread + len(rows) - len(opened)
            if not rows:
                break
            after = kind.place(rows[-1])
    print(f"{done} secret(s) sealed with {keys.newest}", file=sys.stderr)
    return 1 if unread else 0


def _opened(keys: SecretKeys, kind: _Kind, row: Any) -> tuple[Any, bytes] | None:
    """Return the row with its secret; None, after a message, if it cannot be opened."""
    try:
        return row, keys.open(row.sealed, of=kind.owner(row))
    except SecretNotReadable as error:
        print(f"{kind.named(row)}: {error}", file=sys.stderr)
        return None


def _note(conn: Connection, kind: _Kind, row: Any, newest: str) -> None:
    before, after = {"secretsKey": row.sealed.key_id}, {"secretsKey": newest}
    audit.record(conn, Actor(row.tenant, SUBJECT), kind.action, kind.named(row), before=before, after=after)
