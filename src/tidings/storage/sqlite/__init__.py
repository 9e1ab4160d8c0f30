"""The SQLite back-end. The way of one event: store → append → rows; debts for what is left; feeds when it is read."""

from tidings.storage.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
