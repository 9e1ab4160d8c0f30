"""The part of the SQLite back-end that reads display names."""

from typing import Protocol

from tidings.storage.sqlite import display_names
from tidings.storage.sqlite.readers import APPLICATION, ReadingStore
from tidings.storage.sqlite.write_session import WriteSession


class _NamesStore(ReadingStore, Protocol):
    """What the store has for these reads."""

    _writer: WriteSession

    def _number(self, user: str) -> int | None: ...


class NameReads:
    """The port DisplayNames."""

    @property
    def renames(self: _NamesStore) -> int:
        """Changes of display names so far that rows may show."""
        return self._writer.renames

    async def display_name(self: _NamesStore, user: str) -> str | None:
        """The newest known display name of a user."""
        number = self._number(user)
        if number is None:
            return None
        return await self._now(APPLICATION, ("name", number), lambda r: display_names.of(r, number))
