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
    parser.description = "Create the folder of a working report type, with comments that explain what to change."
    parser.epilog = (
        "examples:\n"
        "  todoke-server new late-flights\n"
        "  todoke-server new late-flights --catalog my-catalog --format xlsx --format pdf\n"
        "  todoke-server new shop-ledger --several\n"
        "  todoke-server new loan-plan --python && pip install --editable ./loan-plan"
    )
    parser.add_argument("type", metavar="TYPE", help="name of the report type: lower-case letters, digits and hyphens")
    parser.add_argument("--title", help="display title (default: derived from the name)")
    parser.add_argument(
        "--format", action="append", default=[], metavar="FORMAT",
        help="a format that it offers; the first is the default (repeatable; default: xlsx, csv)",
    )  # fmt: skip
    parser.add_argument("--source", default="default", metavar="NAME", help="the source that its query reads")
    parser.add_argument("--catalog", type=Path, metavar="FOLDER", help=_CATALOG)
    parser.add_argument("--several", action="store_true", help="add a second query with its own sheet and section")
    parser.add_argument(
        "--python", action="store_true",
        help="create a package whose Python code yields the rows, in the current folder or --catalog FOLDER",
    )  # fmt: skip


def add_render(parser: argparse.ArgumentParser) -> None:
    """Describe `render`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "Render a report on this machine as a worker would, in a confined process, without services, database, queue.\n"
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
        help="a parameter, typed as in report.toml; also NAME:=JSON and NAME=@FILE; repeat for a list",
    )  # fmt: skip
    parser.add_argument("--params", metavar="FILE", help="parameters as a JSON object; - for stdin")
    parser.add_argument(
        "--format", action="append", default=[], metavar="FORMAT",
        help="csv, xlsx, parquet, jsonl, html, pdf, or zip for all (repeatable; default: the first of the report type)",
    )  # fmt: skip
    add_shape(parser)
    parser.add_argument("--catalog", type=Path, metavar="FOLDER", help=f"{_CATALOG}; else the built-in one")
    parser.add_argument(
        "--source", action="append", default=[], metavar="URL",
        help="data source of the queries; NAME=URL for a named source in report.toml (repeatable)",
    )  # fmt: skip
    parser.add_argument(
        "--tenant",
        type=argument_types.tenant,
        default=DEFAULT_TENANT,
        help="the requesting tenant (default: %(default)s)",
    )
    parser.add_argument("--requester", metavar="NAME", help="the requester within the tenant: the name of a key")
    parser.add_argument(
        "--scopes",
        type=argument_types.scopes,
        default=frozenset(),
        metavar="SCOPE,…",
        help="a scope, for columns that require it",
    )
    parser.add_argument(
        "-O", dest="folder", type=Path, default=Path(), metavar="FOLDER",
        help="output folder; existing files are replaced (default: the current folder)",
    )  # fmt: skip
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="output format")
    parser.add_argument("--open", action="store_true", help="open the first file with its default program")
    parser.add_argument("--watch", action="store_true", help="render again whenever its files change, until Ctrl-C")
