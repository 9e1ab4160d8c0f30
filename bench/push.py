"""Telling random people something, from within a server: at a rate, or as fast as it is taken up."""

import asyncio
from collections.abc import Callable
from random import Random
from time import perf_counter
from typing import NamedTuple

PAUSE_S = 0.0005
"""Rest between two looks whether more is due."""


class Push(NamedTuple):
    """Tell ``users`` (user0, …) for some seconds, at most ``window`` at a time, at most ``per_s`` a second."""

    seconds: float
    users: int
    window: int
    per_s: float | None = None


class Pushed(NamedTuple):
    """How many were told, and how long that took in seconds."""

    told: int
    took_s: float


async def push(
    what: Push, waiting: set[str], rest: asyncio.Event, tell: Callable[[set[str]], None]
) -> Pushed:
    """Do it. ``waiting`` are those who were told but not served yet, and are left alone; without any there is ``rest``."""
    draw, began, told = Random(1), perf_counter(), 0
    while (now := perf_counter() - began) < what.seconds:
        room = what.window - len(waiting)
        if what.per_s is not None:
            room = min(room, int(now * what.per_s) - told)
        users = {f"user{draw.randrange(what.users)}" for _ in range(room)} - waiting
        tell(users)
        told += len(users)
        await asyncio.sleep(0 if users else PAUSE_S)
    await rest.wait()
    return Pushed(told, perf_counter() - began)
