"""A number of a schema stands for one script: a file goes by it when it is opened."""

import hashlib
import re

from tidings.storage.statements import migrations

SCRIPTS = {6: "a830680bc45559f3"}
"""The digest of each script without its comments. When one of these differs, the script gets the next number and a digest of
its own here; the digest of a number is never edited, because stores with this number exist."""


def digest(script: str) -> str:
    """The digest of the statements of a script; a comment does not change it."""
    statements = " ".join(re.sub(r"--[^\n]*", "", script).split())
    return hashlib.sha256(statements.encode()).hexdigest()[:16]


def test_a_script_keeps_its_number() -> None:
    """A store that was made by another script of the same number was opened, and failed when a column was missing."""
    assert {number: digest(script) for number, script in migrations("sqlite")} == SCRIPTS
