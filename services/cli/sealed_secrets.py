"""`todoke-server secrets`: which key has sealed what in the database, and everything sealed under the newest."""

import argparse
import os
import sys

from sqlalchemy.engine import Connection, Engine

from services.cli.errors import WrongCall
from services.cli.keys import SUBJECT
from services.cli.rows import print_rows
from services.cli.settings import service_settings
from shared.access import audit
from shared.access.audit import Action, Actor
from shared.access.secret_keys import SecretKeys, SecretKeysWrong, SecretNotReadable
from shared.database.engine import create_engine, transactional
from shared.database.health import check_database
from shared.runtime.secret_settings import SecretSettings
from shared.runtime.settings import SettingsError
from shared.webhooks import sealing
from shared.webhooks.sealing import SecretRow
from shared.webhooks.store import owner_of_secret


def run(given: argparse.Namespace) -> int:
    """Show the keys with what they have sealed, or seal it anew. Returns 1 if a secret cannot be opened."""
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
            raise WrongCall("SECRETS_KEY_FILE is not set: name the file that the API and the relay have")
        return SecretKeys(file)
    except (SettingsError, SecretKeysWrong) as error:
        raise WrongCall(str(error)) from None


def _show(engine: Engine, keys: SecretKeys, given: argparse.Namespace) -> int:
    with engine.connect() as conn:
        sealed = sealing.by_key(conn)
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


def _reseal(engine: Engine, keys: SecretKeys) -> int:
    """A slice of them in each transaction. Ended in the middle, the next call does the rest."""
    done, unread, after = 0, 0, sealing.BEGINNING
    while True:
        with transactional(engine).begin() as conn:
            rows = sealing.of_other_keys(conn, keys.newest, after)
            for row in rows:
                owner = owner_of_secret(row.webhook_id)
                try:
                    secret = keys.open(row.sealed, of=owner)
                except SecretNotReadable as error:
                    unread += 1
                    print(f"webhook {row.webhook_id}: {error}", file=sys.stderr)
                    continue
                sealing.reseal(conn, row, keys.seal(secret, of=owner))
                _note(conn, row, keys.newest)
                done += 1
        if not rows:
            break
        after = (rows[-1].webhook_id, rows[-1].number)
    print(f"{done} secret(s) sealed with {keys.newest}", file=sys.stderr)
    return 1 if unread else 0


def _note(conn: Connection, row: SecretRow, newest: str) -> None:
    before, after = {"secretsKey": row.sealed.key_id}, {"secretsKey": newest}
    what = f"webhooks/{row.webhook_id}"
    audit.record(conn, Actor(row.tenant, SUBJECT), Action.WEBHOOKS_RESEAL, what, before=before, after=after)
