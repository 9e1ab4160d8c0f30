"""A connection with typed results."""

from typing import Any

import apsw


class Db(apsw.Connection):
    """An SQLite connection. Rows are tuples whose types the statement knows and Python does not, hence Any."""

    def one(self, query: str, values: Any = ()) -> Any:
        """The first row, None if there is none."""
        return self.execute(query, values).fetchone()

    def all(self, query: str, values: Any = ()) -> list[Any]:
        """Every row."""
        return self.execute(query, values).fetchall()
