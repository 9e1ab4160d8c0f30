"""The SQLite back-end. The path of an event: store → publish → rows; fan-out jobs for the rest; feeds when it is read."""

from tidings.storage.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
