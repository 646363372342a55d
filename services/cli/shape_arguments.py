"""The options of `todoke-server render` for the shape of the answer. Nothing heavy is imported here."""

import argparse


def add_shape(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument(
        "--time-zone", metavar="ZONE", help="time zone for times and for relative dates such as yesterday"
    )
    parser.add_argument("--locale", metavar="LANGUAGE", help="the language of texts, numbers and dates")
    parser.add_argument("--columns", metavar="A,B", help="only these columns, in this order")
    parser.add_argument(
        "--sort", metavar="A,-B", help="sort by these columns; prefix - for descending, as in --sort=-amount"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="maximum rows, applied after sorting")
    parser.add_argument(
        "--csv", action="append", default=[], metavar="NAME=VALUE",
        help="a CSV option: delimiter=;, decimalMark=, (a comma), header=titles, gzip=true … (repeatable)",
    )  # fmt: skip
