"""A server that ends with the process that started it, also when that is killed: the standard input of the one is a pipe
that the other holds.

    python -m tidings.cli.owned_server serve --port 0
"""

import os
import signal
import threading

from tidings.cli import main

STDIN = 0


def _end_with_owner() -> None:
    # Not by sys.stdin: its lock cannot be held while the interpreter ends.
    while os.read(STDIN, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_end_with_owner, name="owner", daemon=True).start()
    main(prog_name="tidings")
