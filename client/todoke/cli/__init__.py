"""The command line `todoke`, which comes with the extra `cli`."""

import sys


def main() -> None:
    """Run the command of this process's arguments, and end with its exit code."""
    try:
        from todoke.cli.app import run
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in {"typer", "rich"}:
            raise
        sys.stderr.write("todoke: the command line is an extra: pip install 'todoke[cli]'\n")
        sys.exit(1)
    sys.exit(run(sys.argv[1:]))
