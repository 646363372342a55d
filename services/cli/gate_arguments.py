"""The arguments of the command `gates`. Nothing heavy is imported here."""

import argparse
import re

_KINDS = ("tenant", "report-type", "source")


def add_gates(parser: argparse.ArgumentParser) -> None:
    """Describe `gates list`, `pause`, `resume`, `cap` and `uncap`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "Pause and cap report types, tenants and sources, in the database at DATABASE_URL.\n"
        "Paused jobs are accepted and wait with their deadlines suspended. Running jobs continue."
    )
    parser.epilog = (
        "examples:\n"
        "  todoke-server gates pause source warehouse --reason 'it moves tonight' --hours 3\n"
        "  todoke-server gates cap source warehouse --running 4\n"
        "  todoke-server gates cap tenant acme --unfinished 1000\n"
        "  todoke-server gates list"
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    show = actions.add_parser("list", help="list pauses and caps, with the number of jobs running under each cap")
    show.add_argument("-o", "--output", choices=("text", "json"), default="text", help="(default: %(default)s)")
    for name, what in (
        ("pause", "stop starting its jobs"),
        ("resume", "start its jobs again, in turns, after their deadlines are extended by the pause"),
        ("cap", "limit how many of its jobs run at the same time"),
        ("uncap", "remove the cap"),
    ):
        action = actions.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
        action.add_argument("kind", choices=_KINDS, metavar="KIND", help=", ".join(_KINDS))
        action.add_argument("name", type=_text, metavar="NAME", help="the name; for a source, as in report.toml")
        if name == "pause":
            action.add_argument("--reason", required=True, type=_text, metavar="TEXT", help="reason, shown to clients")
            action.add_argument(
                "--hours", type=_hours, metavar="N", help="resume automatically after N hours (default: until `resume`)"
            )
        if name == "cap":
            action.add_argument("--running", type=_count, metavar="N", help="maximum running jobs: 1 to 1000")
            action.add_argument(
                "--unfinished", type=_many, metavar="N", help="maximum waiting and running jobs of a tenant"
            )


def _text(given: str) -> str:
    if not given.strip() or not given.isprintable() or len(given) > 200:
        raise argparse.ArgumentTypeError("must be 1 to 200 visible characters")
    return given


def _hours(given: str) -> float:
    if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,3})?", given) or float(given) == 0:
        raise argparse.ArgumentTypeError("must be a number of hours, for example 2 or 0.5")
    return float(given)


def _count(given: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,3}", given) or int(given) > 1000:
        raise argparse.ArgumentTypeError("must be a whole number from 1 to 1000; to start none, pause it instead")
    return int(given)


def _many(given: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,5}", given) or int(given) > 100_000:
        raise argparse.ArgumentTypeError("must be a whole number from 1 to 100000; to start none, pause it instead")
    return int(given)
