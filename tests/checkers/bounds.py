"""Nothing grows without a bound (I12)."""

from collections.abc import Mapping


def within(measured: Mapping[str, int], caps: Mapping[str, int]) -> None:
    """I12: every size that was measured has a named cap, and stays under it or reaches it."""
    for name, size in measured.items():
        assert name in caps, f"{name} has no cap; it is at {size}"
        assert size <= caps[name], f"{name} is {size}, over its cap of {caps[name]}"
