"""`todoke-server keys`: API keys, made and revoked in the database."""

import argparse
import sys

from services.cli.settings import service_settings
from shared.access import api_keys
from shared.access.scopes import USUAL
from shared.database.engine import create_engine, transactional
from shared.database.health import check_database


def run(given: argparse.Namespace) -> int:
    """Make a key and print it, or revoke all keys of a name. Returns 1 if there was none to revoke."""
    settings = service_settings()
    engine = create_engine(
        settings.database_url.get_secret_value(),
        application_name="todoke-keys",
        pool_size=1,
        through_pooler=settings.through_pooler,
    )
    try:
        check_database(engine)
        with transactional(engine).begin() as conn:
            if given.action == "create":
                scopes, valid_s = given.scopes or USUAL, given.days and given.days * 86_400
                key = api_keys.create_key(conn, tenant=given.tenant, name=given.name, scopes=scopes, valid_s=valid_s)
            else:
                revoked = api_keys.revoke_keys(conn, tenant=given.tenant, name=given.name)
    finally:
        engine.dispose()
    if given.action == "create":
        print(key)
        return 0
    print(f"{revoked} key(s) revoked", file=sys.stderr)
    return 0 if revoked else 1
