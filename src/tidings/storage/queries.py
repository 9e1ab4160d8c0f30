"""Named SQL: statements live in ``queries.sql`` files under ``-- name: …`` lines and are looked up by that name."""

import re
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)[^\n]*\n", re.M)


def load(dialect: str) -> dict[str, str]:
    """The statements of ``sql/<dialect>/queries.sql`` by name. ``{…}`` in them stands for partition numbers."""
    text = files("tidings.storage").joinpath("sql", dialect, "queries.sql").read_text()
    parts = _NAME.split(text)[1:]
    return {name: body.strip().rstrip(";") for name, body in zip(parts[::2], parts[1::2], strict=True)}


def migrations(dialect: str) -> list[tuple[int, str]]:
    """(number, script) of each migration of a dialect, in order."""
    folder = files("tidings.storage").joinpath("sql", dialect)
    scripts = [f for f in folder.iterdir() if f.name[:4].isdigit()]
    return sorted((int(script.name[:4]), script.read_text()) for script in scripts)
