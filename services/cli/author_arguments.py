"""The arguments of the commands for authors of report types: `new` and `render`. Nothing heavy is imported here."""

import argparse
from pathlib import Path

from services.cli import argument_types
from services.cli.shape_arguments import add_shape
from shared.access.tenants import DEFAULT_TENANT

_CATALOG = "the catalog (default: CATALOG_PATH, else ./catalog)"


def add_new(parser: argparse.ArgumentParser) -> None:
    """Describe `new`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = "Make the folder of a report type that works as it is, with comments that say what to change."
    parser.epilog = (
        "examples:\n"
        "  todoke-server new late-flights\n"
        "  todoke-server new late-flights --catalog my-catalog --format xlsx --format pdf\n"
        "  todoke-server new shop-ledger --several\n"
        "  todoke-server new loan-plan --python && pip install --editable ./loan-plan"
    )
    parser.add_argument("type", metavar="TYPE", help="its name: lower-case letters, digits and hyphens")
    parser.add_argument("--title", help="what people call it (default: made of the name)")
    parser.add_argument(
        "--format", action="append", default=[], metavar="FORMAT",
        help="what it can be made in; the first is the usual one (repeatable; default: xlsx, csv)",
    )  # fmt: skip
    parser.add_argument("--source", default="default", metavar="NAME", help="the source that its query reads")
    parser.add_argument("--catalog", type=Path, metavar="FOLDER", help=_CATALOG)
    parser.add_argument(
        "--several", action="store_true", help="with a further query beside the first: a sheet and a section of its own"
    )
    parser.add_argument(
        "--python", action="store_true",
        help="a package whose Python yields the rows, made in the current folder, or in --catalog FOLDER",
    )  # fmt: skip


def add_render(parser: argparse.ArgumentParser) -> None:
    """Describe `render`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "Make a report on this machine as a worker would, in a confined process, without services, database or queue.\n"
        "Sources come from --source, REPORT_SOURCE_URL (or DATABASE_URL) and REPORT_SOURCES, fonts from REPORT_FONTS."
    )
    parser.epilog = (
        "examples:\n"
        "  todoke-server render late-flights -p late_min=120 -p carriers=UA -p carriers=B6\n"
        "  todoke-server render late-flights --format pdf --open --watch\n"
        "  todoke-server render late-flights --source postgresql://reader@localhost/shop -O out -o json"
    )
    parser.add_argument("type", metavar="TYPE", help="the report type's name")
    parser.add_argument(
        "-p", dest="parameters", action="append", default=[], metavar="NAME=VALUE",
        help="a parameter, of the type that report.toml states; also NAME:=JSON and NAME=@FILE; repeat it for a list",
    )  # fmt: skip
    parser.add_argument("--params", metavar="FILE", help="parameters as one JSON object; - reads stdin")
    parser.add_argument(
        "--format", action="append", default=[], metavar="FORMAT",
        help="csv, xlsx, parquet, jsonl, html, pdf, or zip for all (repeatable; default: the first of the report type)",
    )  # fmt: skip
    add_shape(parser)
    parser.add_argument("--catalog", type=Path, metavar="FOLDER", help=f"{_CATALOG}; else the built-in one")
    parser.add_argument(
        "--source", action="append", default=[], metavar="URL",
        help="what queries read; NAME=URL for one that report.toml calls by name (repeatable)",
    )  # fmt: skip
    parser.add_argument(
        "--tenant", type=argument_types.tenant, default=DEFAULT_TENANT, help="who asks (default: %(default)s)"
    )
    parser.add_argument("--requester", metavar="NAME", help="who it is within the tenant: the name of a key")
    parser.add_argument(
        "--scopes",
        type=argument_types.scopes,
        default=frozenset(),
        metavar="SCOPE,…",
        help="for columns that ask for one",
    )
    parser.add_argument(
        "-O", dest="folder", type=Path, default=Path(), metavar="FOLDER",
        help="where the files go, in the place of those of the same name (default: the current folder)",
    )  # fmt: skip
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="what stdout gets")
    parser.add_argument("--open", action="store_true", help="open the first file with this machine's program for it")
    parser.add_argument("--watch", action="store_true", help="make it again whenever its files change, until Ctrl-C")
