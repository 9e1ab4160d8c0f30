"""The processor time of the writer for an event with ten targets, with the default window of duplicates and without one."""

import tempfile
import time
from pathlib import Path

from tests.unit.storage.inside import Inside
from tidings.config import Settings
from tidings.model import NewEvent, Publish
from tidings.storage.sqlite.publish import publish
from tidings.testing import START_MS, event

EVENTS, RUNS = 4_000, 3


def new(number: int) -> NewEvent:
    """An event on an object of its own."""
    targets = tuple(f"t{(number * 10 + n) % 1000}" for n in range(10))
    return event(f"u{number % 500}", obj=f"market:{number}", targets=targets, at=START_MS + number)


def microseconds(window_s: int, batch: int) -> float:
    """For each event, in transactions of so many."""
    with (
        tempfile.TemporaryDirectory(dir="/dev/shm") as folder,
        Inside.opened(Path(folder), Settings(duplicate_window_s=window_s)) as inside,
    ):
        writer, spent = inside.writer, 0.0
        for at in range(0, EVENTS, batch):
            commands = [Publish((new(at + n),)) for n in range(batch)]
            begun = time.process_time()
            writer.transaction(lambda: publish(writer, commands))  # noqa: B023
            spent += time.process_time() - begun
        return spent / EVENTS * 1e6


for batch in (1, 20):
    for window_s in (0, 3_600):
        found = sorted(microseconds(window_s, batch) for _ in range(RUNS))
        print(f"{batch:3} in a transaction, window {window_s:5} s: {found[0]:.0f} to {found[-1]:.0f} µs")
