"""Processor time of the servers of two source trees per published event, in turns.

``PYTHONPATH=. python bench/results/2026-11-28-arrays/interleaved.py BEFORE AFTER [ROUNDS]``: two trees, each with
its ``.venv``. Rates depend on what else the machine does; processor time does so less.
"""

import os
import re
import selectors
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from random import Random

import msgspec

from bench.client import post, reply_size
from bench.scenarios.arrays import SIZE, _followed, _follows
from bench.scenarios.posts import event

READY = re.compile(r"listens on http://127\.0\.0\.1:(\d+)")
ROWS = {"arrays of 100": (16, 40, SIZE), "single POSTs": (64, 1_000, 1)}
"""Connections, requests of one measurement, events in a request."""


def requests(row: str, count: int) -> list[bytes]:
    """So many requests."""
    draw = Random(1)
    if row == "single POSTs":
        return [post("/v1/events", msgspec.json.encode(event(draw))) for _ in range(count)]
    return [
        post("/v1/events", msgspec.json.encode([_followed(draw) for _ in range(SIZE)])) for _ in range(count)
    ]


def processor(pid: int) -> tuple[int, int]:
    """Nanoseconds of the loop's thread, and of all threads."""
    spent = {
        task.name: int((task / "schedstat").read_text().split()[0])
        for task in Path(f"/proc/{pid}/task").iterdir()
    }
    return spent[str(pid)], sum(spent.values())


def drive(port: int, sent: Sequence[bytes], connections: int) -> None:
    """Send these requests, each connection its next one after a response."""
    left = iter(sent)
    with selectors.DefaultSelector() as selector:
        for _ in range(connections):
            opened = socket.create_connection(("127.0.0.1", port))
            opened.sendall(next(left))
            selector.register(opened, selectors.EVENT_READ, bytearray())
        while selector.get_map():
            for key, _ in selector.select():
                assert isinstance(key.fileobj, socket.socket)
                one, held = key.fileobj, key.data
                held += one.recv(1 << 20)
                if reply_size(bytes(held)) != len(held):
                    continue
                assert held[9:10] == b"2", bytes(held[:300])
                held.clear()
                if (more := next(left, None)) is not None:
                    one.sendall(more)
                else:
                    selector.unregister(one)
                    one.close()


def measure(tree: Path, row: str) -> list[tuple[float, float]]:
    """Microseconds per event of the loop and of all threads, three times."""
    connections, count, weight = ROWS[row]
    environ = {**os.environ, "PYTHONPATH": str(tree / "src")}
    if "duplicate_window_s" in (tree / "src/tidings/config.py").read_text():  # 822b334 has no default one
        environ["TIDINGS_DUPLICATE_WINDOW_S"] = "0"
    with tempfile.TemporaryDirectory() as folder:
        command = [str(tree / ".venv/bin/python"), "-m", "tidings", "serve", "--dev", "--port", "0"]
        command += ["--store", f"sqlite:///{folder}/bench.db"]
        with subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            port = int(next(found[1] for line in server.stdout if (found := READY.search(line))))
            if row != "single POSTs":
                drive(port, [post("/v1/follows", _follows())], 1)
            sent, found_us = cycle(requests(row, count * 4)), []
            drive(port, list(islice(sent, count)), connections)
            for _ in range(3):
                before = processor(server.pid)
                drive(port, list(islice(sent, count)), connections)
                loop, everything = processor(server.pid)
                events = count * weight * 1_000
                found_us.append(((loop - before[0]) / events, (everything - before[1]) / events))
            server.terminate()
    return found_us


def main() -> None:
    """Measure, and print the least and the median."""
    trees, rounds = [Path(tree).resolve() for tree in sys.argv[1:3]], int((sys.argv[3:] or ["4"])[0])
    for row in ROWS:
        found: dict[Path, list[tuple[float, float]]] = {tree: [] for tree in trees}
        for _ in range(rounds):
            for tree in trees:
                found[tree] += measure(tree, row)
        for tree in trees:
            for name, each in zip(
                ("loop", "all threads"), map(sorted, zip(*found[tree], strict=True)), strict=True
            ):
                print(f"{row}, {tree.name}, {name}: {each[0]:.1f} to {each[len(each) // 2]:.1f} us")


if __name__ == "__main__":
    main()
