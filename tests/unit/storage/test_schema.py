"""A number of a schema stands for one script: a file goes by it when it is opened."""

import hashlib
import re

from tidings.storage.statements import load, migrations

SCRIPTS = {10: "972291cca7869137"}
"""The digest of each script without its comments, and of the partitioned tables that stores of its number have. When one of
these differs, the script gets the next number and a digest of its own here; the digest of a number is never edited, because
stores with this number exist."""
PARTITIONED = ("create_event", "create_timeline", "create_inbox")
"""The statements that create a partition of each partitioned table."""


def digest(script: str) -> str:
    """The digest of the statements of a script; a comment does not change it."""
    statements = " ".join(re.sub(r"--[^\n]*", "", script).split())
    return hashlib.sha256(statements.encode()).hexdigest()[:16]


def test_a_script_keeps_its_number() -> None:
    """A store that was made by another script of the same number was opened, and failed when a column was missing."""
    *landed, (newest, script) = migrations("sqlite")
    created = load("sqlite")
    whole = "\n".join([script, *(created[name] for name in PARTITIONED)])
    assert {newest: digest(whole)} | {number: digest(old) for number, old in landed} == SCRIPTS


def test_every_partitioned_table_is_in_the_digest() -> None:
    """Whatever creates a numbered table is one of those statements."""
    creating = {name for name, text in load("sqlite").items() if re.search(r"CREATE TABLE \w+_\{n\}", text)}
    assert creating == set(PARTITIONED)
