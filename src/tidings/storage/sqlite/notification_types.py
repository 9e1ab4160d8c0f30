"""Types of notifications that were declared over those of the settings."""

import msgspec

from tidings.model import CommandResult, SetNotificationType
from tidings.storage.sqlite.write_session import WriteSession


def declare(w: WriteSession, command: SetNotificationType) -> CommandResult:
    """Declare a type, or take that back; whoever asks checks that no other type claims its verbs."""
    before = w.rules.declared
    if command.rule is None:
        w.db.execute("DELETE FROM type WHERE name=?", (command.type,))
    else:
        w.db.execute(
            "INSERT OR REPLACE INTO type VALUES (?, ?)", (command.type, msgspec.json.encode(command.rule))
        )
    w.declared()
    return CommandResult(int(w.rules.declared != before), w.position)
