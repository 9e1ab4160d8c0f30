"""Accounts of bytes that are held for clients, in all and by address."""


class ByteAccount:
    """``most`` bytes in all, ``most_of_one`` for one address. Bytes counted under "" count in all only."""

    def __init__(self, most: int, most_of_one: int) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._of: dict[str, int] = {}
        self.total = 0

    def change(self, one: str, by: int) -> None:
        """Add so many bytes to the account of this address, or remove them."""
        self.total += by
        left = self._of.get(one, 0) + by
        if left:
            self._of[one] = left
        else:
            self._of.pop(one, None)

    def full_for_one(self, one: str, size: int) -> bool:
        """Whether so many more bytes exceed the bound of this address."""
        return bool(one) and self._of.get(one, 0) + size > self._most_of_one

    def full(self, size: int) -> bool:
        """Whether so many more bytes exceed the bound of the total."""
        return self.total + size > self._most
