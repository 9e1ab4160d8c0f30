"""No byte of one user's data in another's reply (I9)."""

from collections.abc import Mapping


def untainted(reply: bytes, owner: str, markers: Mapping[str, bytes]) -> None:
    """I9: of the markers that stand in users' private data, only the owner's can be in the owner's reply."""
    for user, marker in markers.items():
        found = reply.find(marker) if user != owner else -1
        around = reply[max(0, found - 40) : found + 40]
        assert found < 0, f"data of {user} in a reply to {owner}, byte {found}: {around!r}"
