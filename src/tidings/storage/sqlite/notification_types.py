"""Notification types that were declared over the API, above those of the settings."""

import msgspec

from tidings.model import CommandResult, SetNotificationType
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.write_session import WriteSession


def declare(w: WriteSession, command: SetNotificationType) -> CommandResult:
    """Declare a type, or delete the declaration; the caller checks that no other type claims its verbs."""
    before = w.rules.declared
    if command.rule is None:
        w.db.execute(sql("delete_notification_type"), (command.type,))
    else:
        w.db.execute(sql("set_notification_type"), (command.type, msgspec.json.encode(command.rule)))
    w.declared()
    return CommandResult(int(w.rules.declared != before), w.position)
