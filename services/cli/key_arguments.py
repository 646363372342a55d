"""The arguments of `keys`."""

import argparse
import re
from typing import Any
from urllib.parse import urlsplit

from services.cli import argument_types
from shared.access.key_text import name_problem
from shared.access.scopes import USUAL


def add_keys(parser: argparse.ArgumentParser) -> None:
    """Describe `keys create`, `list`, `rotate`, `revoke` and `link`."""
    parser.description = "Create and revoke the API keys of a tenant, in the database at DATABASE_URL."
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = _action(actions, "create", "create an API key and print it once")
    create.add_argument(
        "--name", required=True, type=_name, help="who uses the key, for example `ci`; jobs belong to this name"
    )
    create.add_argument(
        "--scopes", type=argument_types.scopes, metavar="SCOPE,…",
        help=f"its scopes (default: {','.join(sorted(USUAL))}; list scopes of report types here, too)",
    )  # fmt: skip
    create.add_argument("--days", type=_days, metavar="N", help="days until it expires (default: never)")
    _action(actions, "list", "list API keys, newest first: id, name, state, last use, scopes")
    rotate = _action(actions, "rotate", "replace an API key by a new one and print it once")
    rotate.add_argument("--id", required=True, metavar="ID", help="the key to replace")
    rotate.add_argument(
        "--overlap-hours", type=_hours, default=24, metavar="N",
        help="hours for which the old key keeps working (default: %(default)s)",
    )  # fmt: skip
    _name_or_id(_action(actions, "revoke", "revoke one API key, or all keys with a name"), "the name of the keys")
    link = _action(
        actions, "link", "print a one-time link, valid for ten minutes, that signs in to the console as an API key"
    )
    _name_or_id(link, "the name of the key; if several have it, the newest valid one")
    link.add_argument(
        "--url", type=_url, default="http://localhost:8000", help="where browsers reach the API (default: %(default)s)"
    )


def _name_or_id(action: argparse.ArgumentParser, name: str) -> None:
    which = action.add_mutually_exclusive_group(required=True)
    which.add_argument("--name", type=_name, help=name)
    which.add_argument("--id", metavar="ID", help="the id of the key, as `list` shows it")


def _action(actions: Any, name: str, what: str) -> argparse.ArgumentParser:
    action: argparse.ArgumentParser = actions.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
    action.add_argument(
        "--tenant", required=True, type=argument_types.tenant, help="the tenant that the key belongs to"
    )
    return action


def _name(given: str) -> str:
    if wrong := name_problem(given):
        raise argparse.ArgumentTypeError(wrong)
    return given


def _url(given: str) -> str:
    parts = urlsplit(given)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment:
        raise argparse.ArgumentTypeError("must be an address such as https://reports.example.com")
    return given


def _days(given: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,4}", given):
        raise argparse.ArgumentTypeError("must be a whole number of days, 1 or more")
    return int(given)


def _hours(given: str) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", given):
        raise argparse.ArgumentTypeError("must be a whole number of hours, 0 or more")
    return int(given)
