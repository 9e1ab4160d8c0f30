"""Opens the store that the settings name: one function for each kind of address."""

import os
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import apsw

from tidings.config import ConfigError, Settings
from tidings.errors import Unavailable
from tidings.ports import Store
from tidings.setting_checks import masked, shown
from tidings.storage.memory import MemoryStore
from tidings.storage.sqlite import SqliteStore
from tidings.timeutil import Clock

MEMORY = "memory://"
SQLITE = "sqlite:///"


class OpenedStore(NamedTuple):
    """A store, and the key that its page cursors are signed with."""

    store: Store
    cursor_key: bytes


async def open_store(settings: Settings, clock: Clock, channels: Collection[str]) -> OpenedStore:
    """The store of these settings; ``channels``: those that deliveries are made for.

    Raises ConfigError for an address of another kind and for types that clash, Unavailable when it cannot be opened.
    """
    file = store_file(settings.store)
    if file is None:
        return _open_memory(settings, clock, channels)
    return await _open_sqlite(file, settings, clock, channels)


def store_file(address: str) -> Path | None:
    """The file of a store; None for one in memory. Raises ConfigError for an address of another kind."""
    if address == MEMORY:
        return None
    if address.startswith(SQLITE) and len(address) > len(SQLITE):
        return Path(address.removeprefix(SQLITE))
    raise ConfigError(f"store: {shown(masked(address))} is neither {SQLITE}FILE nor {MEMORY}", "store")


def types_clash(error: ValueError) -> ConfigError:
    """The refusal of two types that claim one verb. Those of the settings fit each other; those of the store were set over
    the API."""
    return ConfigError(f"types: {error}, one in the file and one over the API", "types")


def _open_memory(settings: Settings, clock: Clock, channels: Collection[str]) -> OpenedStore:
    store = MemoryStore(
        clock,
        epoch=os.urandom(6).hex(),
        salt=int.from_bytes(os.urandom(7)),
        types=settings.types,
        channels=channels,
        feed_history=settings.feed_history,
        max_mutes_per_user=settings.max_mutes_per_user,
        max_blocks_per_user=settings.max_blocks_per_user,
        retraction_history=settings.retraction_history,
        read_all_history=settings.read_all_history,
    )
    return OpenedStore(store, os.urandom(32))


async def _open_sqlite(
    file: Path, settings: Settings, clock: Clock, channels: Collection[str]
) -> OpenedStore:
    try:
        store = await SqliteStore.open(file, clock, settings, channels=channels)
    except (apsw.Error, OSError) as error:
        raise Unavailable(f"{file} cannot be opened: {error}") from error
    except ValueError as error:
        raise types_clash(error) from error
    return OpenedStore(store, store.cursor_key)
