"""`python -m deploy.local`: the whole system on this machine, with reports made at once."""

import signal
import sys


def _run() -> int:
    # During the imports there is nothing to stop in order: Ctrl-C simply ends the process.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from deploy.local.command import main

    return main()


if __name__ == "__main__":
    sys.exit(_run())
