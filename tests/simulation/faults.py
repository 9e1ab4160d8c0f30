"""How bad things are at the moment. Whatever can fail asks here; the nemesis turns it up, calm turns it down."""

import random
from dataclasses import dataclass


@dataclass(slots=True)
class Trouble:
    """Probabilities, and times in seconds. What it begins with is a good day."""

    hint_lost: float = 0.0
    hint_twice: float = 0.0
    hint_late_s: float = 0.0
    store_fails: float = 0.0
    store_slow_s: float = 0.002
    packet_lost: float = 0.0
    latency_s: float = 0.02

    def calm(self, *, but_hints: bool = False) -> None:
        """All is well again; ``but_hints``: the bus stays as it is."""
        well = Trouble()
        for name in self.__slots__:
            if not (but_hints and name.startswith("hint_")):
                setattr(self, name, getattr(well, name))

    def latency(self, rng: random.Random) -> float:
        """Seconds on the way, this time."""
        return rng.random() * self.latency_s
