"""The arguments of the commands for operators: `doctor`, `dlq`, `secrets` and `outbox`.

Nothing heavy is imported here.
"""

import argparse

_SERVICES = ("api", "relay", "worker")
_YES = "carry it out; without this, only show what would be done"


def add_doctor(parser: argparse.ArgumentParser) -> None:
    """Describe `doctor`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "Check all that the services depend on, from their own environment: database, queue, artifact store, this\n"
        "machine, catalog and sources. Changes nothing, except for the small probe object that each worker writes, too."
    )
    parser.epilog = (
        "examples:\n"
        "  todoke-server doctor\n"
        "  todoke-server doctor --for worker --strict\n"
        "  todoke-server doctor --api todoke_api --relay todoke_relay --worker todoke_worker -o json"
    )
    parser.add_argument(
        "--for", dest="service", choices=_SERVICES,
        help="check only what this service needs, with the rights of DATABASE_URL's role (default: everything)",
    )  # fmt: skip
    for service in _SERVICES:
        parser.add_argument(f"--{service}", metavar="ROLE", help=f"check the rights of the {service}'s role")
    parser.add_argument("--strict", action="store_true", help="exit with 1 on warnings, too")
    parser.add_argument(
        "--timeout", type=_count, default=20, metavar="S", help="maximum seconds for all checks (default: %(default)s)"
    )
    parser.add_argument(
        "-o", "--output", choices=("text", "json"), default="text",
        help="text: lines, tab-separated when not on a terminal; json: one object (default: %(default)s)",
    )  # fmt: skip


def add_dlq(parser: argparse.ArgumentParser) -> None:
    """Describe `dlq list`, `redrive` and `drop`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "List, resend or delete the messages in the dead-letter queue.\n"
        "Listing hides a message for up to two minutes and counts as a receive: SQS offers no other way."
    )
    parser.epilog = (
        "examples:\n"
        "  todoke-server dlq list\n"
        "  todoke-server dlq redrive --all\n"
        "  todoke-server dlq drop 5c2f5d0e-0c58-4c8f-8f6c-0a7d9f0e7a11 --yes"
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    show = actions.add_parser("list", help="list messages with body, number of receives and time of first sending")
    show.add_argument(
        "--most", type=_count, default=100, metavar="N", help="maximum number of messages (default: %(default)s)"
    )
    _add_output(show)
    for name, what in (("redrive", "send messages back to the queue"), ("drop", "permanently delete messages")):
        action = actions.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
        action.add_argument("ids", nargs="*", metavar="ID", help="message ids, as `dlq list` shows them")
        more = ", except those that no worker would understand" if name == "redrive" else ""
        action.add_argument("--all", action="store_true", help=f"all messages{more}")
        action.add_argument("--yes", action="store_true", help=_YES)
        _add_output(action)


def add_secrets(parser: argparse.ArgumentParser) -> None:
    """Describe `secrets list` and `reseal`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "Show how many secrets in the database each key of SECRETS_KEY_FILE has sealed, or seal all of them with the\n"
        "newest key (the last line of the file), so that older lines can be removed."
    )
    parser.epilog = "examples:\n  todoke-server secrets list\n  todoke-server secrets reseal"
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    _add_output(actions.add_parser("list", help="list each key with the number of secrets sealed with it"))
    what = "seal every secret with the newest key"
    actions.add_parser("reseal", help=what, description=f"{what[0].upper()}{what[1:]}. It can be repeated safely.")


def add_outbox(parser: argparse.ArgumentParser) -> None:
    """Describe `outbox parked`, `requeue` and `drop`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "List, resend or delete the messages that the relay parked because they cannot be sent as they are."
    )
    parser.epilog = (
        "examples:\n"
        "  todoke-server outbox parked\n"
        "  todoke-server outbox requeue --all --reason 'the queue policy is mended' --yes\n"
        "  todoke-server outbox drop 17 --reason 'written by hand' --yes >> dropped.jsonl"
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    show = actions.add_parser("parked", help="list parked messages with the reason for each")
    show.add_argument(
        "--most", type=_count, default=100, metavar="N", help="maximum number of messages (default: %(default)s)"
    )
    _add_output(show)
    for name, what in (("requeue", "resend parked messages through the relay"), ("drop", "delete parked messages")):
        action = actions.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}, in one transaction.")
        action.add_argument("ids", nargs="*", type=_count, metavar="ID", help="ids, as `outbox parked` shows them")
        action.add_argument("--all", action="store_true", help="all parked messages")
        action.add_argument(
            "--reason", required=True, type=_reason, metavar="TEXT", help="reason, recorded in the audit trail"
        )
        action.add_argument("--yes", action="store_true", help=_YES)
        # A dropped message exists nowhere else.
        _add_output(action, "json" if name == "drop" else "text")


def _add_output(parser: argparse.ArgumentParser, usual: str = "text") -> None:
    parser.add_argument(
        "-o", "--output", choices=("text", "json"), default=usual,
        help="text: a table on a terminal, else tab-separated lines; json: one object per line (default: %(default)s)",
    )  # fmt: skip


def _count(given: str) -> int:
    if not given.isascii() or not given.isdecimal() or not 0 < int(given) < 1 << 63:
        raise argparse.ArgumentTypeError("must be a whole number, 1 or more")
    return int(given)


def _reason(given: str) -> str:
    if not given.strip() or not given.isprintable() or len(given) > 200:
        raise argparse.ArgumentTypeError("must be up to 200 visible characters")
    return given
