"""The arguments of each command. Nothing heavy is imported here: `--help` answers at once and without any extra."""

import argparse
from pathlib import Path

_SERVICES = ("api", "relay", "worker")


def add_check(parser: argparse.ArgumentParser) -> None:
    """Describe `check`."""
    parser.description = (
        "Read the catalog, have the source plan each query, and render each format from 50 rows. Sources come from "
        "REPORT_SOURCE_URL (or DATABASE_URL) and REPORT_SOURCES, fonts from REPORT_FONTS."
    )
    parser.add_argument(
        "path", type=Path, nargs="?", metavar="FOLDER",
        help="folder of the report types (default: CATALOG_PATH, else ./catalog)",
    )  # fmt: skip
    parser.add_argument(
        "--report", action="append", default=[], metavar="NAME", help="check only this report type (repeatable)"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE",
        help="a parameter's value, as JSON or as text (repeatable)",
    )  # fmt: skip
    parser.add_argument("--no-files", action="store_true", help="only plan the queries, render no files")


def add_setup_queues(parser: argparse.ArgumentParser) -> None:
    """Describe `setup-queues`."""
    parser.description = (
        "Create the queue and its dead-letter queue with a redrive policy, or update them. "
        "Reads AWS_REGION (default: AWS_DEFAULT_REGION, else ap-northeast-1) and the standard AWS credentials and "
        "endpoint variables."
    )
    parser.add_argument("--name", default="todoke-jobs", help="name of the queue (default: %(default)s)")
    parser.add_argument("--dlq-name", metavar="NAME", help="name of the dead-letter queue (default: NAME-dlq)")
    parser.add_argument(
        "--max-receive-count", type=int, default=20, metavar="N",
        help="receives before SQS moves a message to the dead-letter queue: a safety net, not the retry policy "
        "(default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--visibility-s", type=int, default=60, metavar="S",
        help="the queue's own visibility timeout; workers set theirs with every receive (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")


def add_migrate(parser: argparse.ArgumentParser) -> None:
    """Describe `migrate upgrade`, `grant`, `check` and `current`."""
    parser.description = "Migrate the database at DATABASE_URL. Connect as the owner of its tables."
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    upgrade = actions.add_parser("upgrade", help="apply pending migrations, then grant rights to the given roles")
    grant = actions.add_parser("grant", help="grant each given role exactly the rights of its service")
    for service in _SERVICES:
        for action in (upgrade, grant):
            action.add_argument(f"--{service}", metavar="ROLE", help=f"the role that the {service} logs in as")
    actions.add_parser("check", help="compare the database with the schema that this version expects")
    actions.add_parser("current", help="show the revision of the database")
