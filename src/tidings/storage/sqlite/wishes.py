"""Preferences as they are stored: the JSON of their struct."""

import msgspec

from tidings.personal import Preferences

NOTHING_SAID = Preferences()
_decode = msgspec.json.Decoder(Preferences).decode


def wishes(raw: bytes | None) -> Preferences:
    """Preferences from their column; the defaults for whoever never said any."""
    return NOTHING_SAID if raw is None else _decode(raw)
