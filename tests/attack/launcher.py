"""The server of an attack: the command line of Tidings on asyncio's own event loop, each of whose callbacks is timed.

Run as a program with the arguments of ``tidings``. It answers the lines ``reset``, ``rescale``, ``report``, ``sample NAME``,
``burn MS`` and ``hold MIB`` on its standard input with a line of JSON each, after :data:`MARK`, on its standard output.
``sample`` is the value of a metric now, not a second ago as ``/metrics`` may be. The last two plant faults that the probe
must find: a callback of so much processor time, and memory that is kept.
"""

import asyncio
import gc
import json
import os
import re
import sys
import threading
import time
import traceback
from asyncio import events
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from tidings import cli, process, telemetry

MARK = "probe: "
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_PEAK = "5"
"""What resets the peak of resident memory (proc_pid_clear_refs(5))."""
_KIB_PER_MIB = 1024
LOOK_S = 0.02
"""Seconds after which a callback is looked at, to say in the report where it was."""
DEPTH = 6
"""Calls that such a report names, one more or less."""
PAUSE = threading.Event()
"""Never set: what the watching thread waits for."""
_REFERENCE_MS = 8.0
"""Processor time that :func:`_work` takes on the machine that the bounds were chosen on."""


class Meter:
    """The longest callback and the longest pass of the loop since the last reset, in milliseconds of the processor time of
    the loop's thread: what else the machine does is not in it. A callback is the time for which everybody else waits; a
    pass is all callbacks that were due at once."""

    def __init__(self) -> None:
        self.since = self.collecting_s = 0.0
        self.seen = ""
        self.reset()

    def reset(self) -> None:
        """Forget what was measured. The memory that is resident now is where growth begins."""
        self.turn_s = self.pass_s = 0.0
        self.what = ""
        self.scale = _scale()
        _CLEAR.write_text(_PEAK)
        self.before_kib = _memory_kib("VmRSS")

    def report(self) -> dict[str, Any]:
        """What was measured, the times scaled to the machine that the bounds were chosen on."""
        return {
            "memory_mib": (_memory_kib("VmHWM") - self.before_kib) / _KIB_PER_MIB,
            "turn_ms": self.turn_s * 1_000 / self.scale,
            "pass_ms": self.pass_s * 1_000 / self.scale,
            "what": self.what,
            "scale": self.scale,
        }

    def rescale(self) -> None:
        """Take the pace of this machine now for its scale, if it is slower than before."""
        self.scale = max(self.scale, _scale())

    def timed_run(self, handle: events.Handle) -> None:
        """Run a callback as the loop does, timed."""
        self.since, self.seen = time.monotonic(), ""
        collecting = self.collecting_s
        begun = time.thread_time()
        _run(handle)
        took = time.thread_time() - begun
        self.since = 0.0
        if took > self.turn_s:
            self.turn_s = took
            collected = (self.collecting_s - collecting) * 1_000
            self.what = f"{_name(handle)}, {collected:.0f} ms of it garbage collection{self.seen}"

    def collected(self, phase: str, _: dict[str, int]) -> None:
        """Told by the interpreter when a collection of garbage begins, and ends."""
        now = time.thread_time()
        self.collecting_s += now if phase == "stop" else -now

    def look(self, thread: int) -> None:
        """See what the loop's thread is at, when one callback has had it for long."""
        if self.since and not self.seen and time.monotonic() - self.since > LOOK_S:
            frame = sys._current_frames().get(thread)
            self.seen = ", at " + " < ".join(f"{one.name}:{one.lineno}" for one in _inmost(frame))


class Loop(asyncio.SelectorEventLoop):
    """asyncio's loop, which also times its passes. All that happens on it, reading from sockets included, is a callback."""

    def _run_once(self) -> None:
        begun = time.thread_time()
        super()._run_once()  # type: ignore[misc]
        METER.pass_s = max(METER.pass_s, time.thread_time() - begun)


def _name(handle: events.Handle) -> str:
    """Whose code a callback runs: a task's coroutine, or the protocol of a transport."""
    owner = getattr(handle._callback, "__self__", None)  # type: ignore[attr-defined]
    if isinstance(owner, asyncio.Task):
        return str(getattr(owner.get_coro(), "__qualname__", owner.get_coro()))
    protocol = getattr(owner, "_protocol", None)
    return f"{handle._callback!r:.200}" if protocol is None else type(protocol).__qualname__  # type: ignore[attr-defined]


def _memory_kib(field: str) -> int:
    (line,) = (line for line in _STATUS.read_text().splitlines() if line.startswith(field + ":"))
    return int(line.split()[1])


def _scale() -> float:
    """How many times as long as the reference this machine takes now; a faster one counts as the reference."""
    return max(1.0, min(_work_ms() for _ in range(3)) / _REFERENCE_MS)


def _work_ms() -> float:
    begun = time.thread_time()
    _work()
    return (time.thread_time() - begun) * 1_000


def _work() -> None:
    """What a server does all day: texts, lists and dictionaries."""
    text = json.dumps([{"key": str(number), "value": [number] * 8} for number in range(1_000)])
    for _ in range(3):
        json.dumps(json.loads(text))


def _burn(ms: float) -> None:
    """Take the loop for so many milliseconds of the reference machine."""
    end = time.thread_time() + ms * METER.scale / 1_000
    while time.thread_time() < end:
        pass


def _obey(loop: asyncio.AbstractEventLoop, kept: list[bytearray]) -> None:
    for line in _lines():
        command, _, argument = line.partition(" ")
        if command == "reset":
            METER.reset()
        elif command == "rescale":
            METER.rescale()
        elif command == "burn":
            loop.call_soon_threadsafe(_burn, float(argument))
        elif command == "hold":
            kept.append(bytearray(b"x") * (int(argument) * _KIB_PER_MIB**2))
        answer = _sample(argument) if command == "sample" else METER.report()
        print(MARK + json.dumps(answer), flush=True)


def _sample(name: str) -> float:
    """The value of a metric, labels included in its name; 0 when it is not there yet."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", telemetry.exposition().decode(), re.M)
    return float(found[1]) if found else 0.0


def _lines() -> Iterator[str]:
    """The lines of standard input. Not by ``sys.stdin``: its lock cannot be held while the interpreter ends."""
    waiting = b""
    while data := os.read(sys.__stdin__.fileno(), 4096):  # type: ignore[union-attr]
        *whole, waiting = (waiting + data).split(b"\n")
        yield from (line.decode() for line in whole)


def _inmost(frame: FrameType | None) -> list[traceback.FrameSummary]:
    return traceback.extract_stack(frame)[:-DEPTH:-1]


def _watch(thread: int) -> None:
    while not PAUSE.wait(LOOK_S / 2):
        METER.look(thread)


def _new_loop() -> asyncio.AbstractEventLoop:
    loop = Loop()
    gc.callbacks.append(METER.collected)
    threading.Thread(target=_watch, args=(threading.get_ident(),), name="watch", daemon=True).start()
    threading.Thread(target=_obey, args=(loop, []), name="probe", daemon=True).start()
    return loop


METER = Meter()
_run = events.Handle._run

if __name__ == "__main__":
    assert callable(process._loop_factory)  # what is replaced here must be what the server uses
    setattr(events.Handle, "_run", lambda handle: METER.timed_run(handle))  # noqa: B010 - it has a type of its own
    process._loop_factory = lambda: _new_loop
    cli.main()
