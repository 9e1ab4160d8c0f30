"""The named SQL statements of this store: all of its SQL is in ``storage/sql/sqlite``."""

from functools import lru_cache

from tidings.storage.statements import load

_STATEMENTS = load("sqlite")


@lru_cache(maxsize=1024)
def sql(name: str, n: int = 0, ev: int = 0, **parts: str) -> str:
    """A named statement, with the numbers of its partition (``n``) and of that of the events (``ev``), and with its other
    ``parts`` filled in, which never contain external input."""
    return _STATEMENTS[name].format(n=n, ev=ev, **parts)
