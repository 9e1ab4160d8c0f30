"""A number of a schema stands for one script: a file goes by it when it is opened."""

import hashlib

from tidings.storage.statements import migrations

SCRIPTS = {4: "ed870839ca1abf8d"}
"""The digest of each script. A script that changes gets the next number, and a digest here."""


def test_a_script_keeps_its_number() -> None:
    """A store that was made by another script of the same number was opened, and failed when a column was missing."""
    digests = {
        number: hashlib.sha256(script.encode()).hexdigest()[:16] for number, script in migrations("sqlite")
    }
    assert digests == SCRIPTS
