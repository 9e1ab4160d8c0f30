"""The schemas of the API as OpenAPI, from which the packages for browsers make their types.

``python -m docs.openapi FILE`` writes them.
"""

import sys
from pathlib import Path

import msgspec

from tidings.http.openapi import document
from tidings.http.routes import ROUTES


def schemas() -> bytes:
    """The document without its paths: the packages name these themselves."""
    whole = msgspec.json.decode(document(ROUTES, ""))
    return msgspec.json.encode(whole | {"paths": {}})


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(schemas())
