"""Bytes that are kept for clients, in all and by address."""


class ByteAccount:
    """``most`` bytes in all, ``most_of_one`` from one address. What is counted under "" counts in all only."""

    def __init__(self, most: int, most_of_one: int) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._of: dict[str, int] = {}
        self.total = 0

    def change(self, one: str, by: int) -> None:
        """So many bytes more, or less, are kept for this address."""
        self.total += by
        left = self._of.get(one, 0) + by
        if left:
            self._of[one] = left
        else:
            self._of.pop(one, None)

    def full_for_one(self, one: str, size: int) -> bool:
        """Whether so many more bytes are too many for this address."""
        return bool(one) and self._of.get(one, 0) + size > self._most_of_one

    def full(self, size: int) -> bool:
        """Whether so many more bytes are too many in all."""
        return self.total + size > self._most
