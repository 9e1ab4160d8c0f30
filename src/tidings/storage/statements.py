"""Named SQL: statements live in ``.sql`` files under ``-- name: …`` lines and are looked up by that name."""

import re
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)[^\n]*\n", re.M)


def load(dialect: str) -> dict[str, str]:
    """The statements of ``sql/<dialect>/*.sql`` by name. ``{…}`` in them stands for partition numbers. Raises ValueError
    when two have one name."""
    statements: dict[str, str] = {}
    for script in files("tidings.storage").joinpath("sql", dialect).iterdir():
        if not script.name[:4].isdigit():
            parts = _NAME.split(script.read_text())[1:]
            for name, body in zip(parts[::2], parts[1::2], strict=True):
                if name in statements:
                    raise ValueError(f"two statements are named {name}")
                statements[name] = body.strip().rstrip(";")
    return statements


def migrations(dialect: str) -> list[tuple[int, str]]:
    """(number, script) of each migration of a dialect, in order."""
    folder = files("tidings.storage").joinpath("sql", dialect)
    scripts = [f for f in folder.iterdir() if f.name[:4].isdigit()]
    return sorted((int(script.name[:4]), script.read_text()) for script in scripts)
