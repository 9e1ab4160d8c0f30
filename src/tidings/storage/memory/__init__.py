"""The reference back-end: everything in memory, and each read computed anew from the rules in ``tidings.ports``."""

from tidings.storage.memory.store import MemoryStore

__all__ = ["MemoryStore"]
