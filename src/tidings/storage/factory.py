"""Opens the store that the settings name: one function for each kind of address."""

import os
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import apsw

from tidings.config import SQLITE, ConfigError, Settings
from tidings.errors import Unavailable
from tidings.ports import Store
from tidings.rules import VerbClash
from tidings.setting_checks import masked, shown
from tidings.storage.sqlite import SqliteStore
from tidings.storage.sqlite.connection import with_way_out
from tidings.timeutil import Clock

MEMORY = "memory://"


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


def types_clash(error: VerbClash, settings: Settings) -> ConfigError:
    """The refusal of two types that claim one verb, and the way out. Those of the settings fit each other; those of the
    store were set over the API, where alone they can be deleted, by a server that runs."""
    # Without another name, a type of the API replaces one of the same name in the file.
    over_api = sorted(error.types - settings.types.keys()) or sorted(error.types)
    delete = " or ".join(f"DELETE /v1/admin/types/{quote(type, safe='')}" for type in over_api)
    without = "on a server that runs without the new type in the file"
    way_out = f"delete that of the API with {delete} {without}, or change the file"
    return ConfigError(f"types: {error}, one in the file and one over the API: {way_out}", "types")


def _open_memory(settings: Settings, clock: Clock, channels: Collection[str]) -> OpenedStore:
    from tidings.storage.memory import MemoryStore  # a server with a file needs none of it

    store = MemoryStore(
        clock,
        epoch=os.urandom(6).hex(),
        salt=int.from_bytes(os.urandom(7)),
        types=settings.types,
        channels=channels,
        feed_history=settings.feed_history,
        duplicate_window_s=settings.duplicate_window_s,
        max_mutes_per_user=settings.max_mutes_per_user,
        max_blocks_per_user=settings.max_blocks_per_user,
        retraction_history=settings.retraction_history,
        activity_history=settings.activity_history,
        read_all_history=settings.read_all_history,
    )
    return OpenedStore(store, os.urandom(32))


async def _open_sqlite(
    file: Path, settings: Settings, clock: Clock, channels: Collection[str]
) -> OpenedStore:
    try:
        store = await SqliteStore.open(file, clock, settings, channels=channels)
    except (apsw.Error, OSError) as error:
        raise Unavailable(f"{file} cannot be opened: {with_way_out(error)}") from error
    except VerbClash as error:
        raise types_clash(error, settings) from error
    return OpenedStore(store, store.cursor_key)
