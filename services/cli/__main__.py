"""`todoke-server …`, or `python -m services.cli …`: tools for authors of reports and for those who receive them."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from services.cli.check import Wanted, check
from services.cli.verify import verify
from shared.errors import TodokeError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit code: 0 if all is well, 1 if something is wrong, 2 for a wrong call."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "check":
            wanted = Wanted(options.report, options.set, files=not options.no_files)
            return check(options.path, wanted, os.environ)
        return verify(options.file, options.manifest, options.key)
    except TodokeError as error:
        print(f"todoke-server {options.command}: {error}", file=sys.stderr)  # noqa: T201
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="todoke-server", description="Tools around Todoke's reports.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    checker = commands.add_parser(
        "check",
        help="try every report type of a catalog",
        description="Read the catalog, ask the source to plan each query, and make each format from 50 rows. Sources "
        "come from REPORT_SOURCE_URL (or DATABASE_URL) and REPORT_SOURCES, fonts from REPORT_FONTS.",
    )
    checker.add_argument("path", type=Path, help="the catalog's folder")
    checker.add_argument("--report", action="append", default=[], metavar="NAME", help="only this type (repeatable)")
    checker.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter's value, as JSON or as text"
    )
    checker.add_argument("--no-files", action="store_true", help="plan the queries, make no files")

    verifier = commands.add_parser(
        "verify",
        help="check a downloaded file against its manifest",
        description="Say whether a file is, to the byte, one that the job of the manifest made.",
    )
    verifier.add_argument("file", type=Path)
    verifier.add_argument("--manifest", type=Path, help="default: manifest.json beside the file")
    verifier.add_argument("--key", type=Path, help="public key (PEM) that must have signed the manifest")
    return parser


if __name__ == "__main__":
    sys.exit(main())
