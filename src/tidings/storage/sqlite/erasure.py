"""A user erased: hidden at once, and taken out of the file, at once or step by step."""

import secrets

from tidings.model import CommandResult, EraseUser, user_topic
from tidings.storage.sqlite import erasure_job, preferences, reminders
from tidings.storage.sqlite.read_snapshot import ReadSnapshot
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.write_session import WriteSession


def erase(w: WriteSession, r: ReadSnapshot, command: EraseUser) -> CommandResult:
    """Forget a person: nobody finds them by their name any more, nor reads it. What they left in the file goes now, if it
    is little, or else step by step (erasure_job.py)."""
    alias = f"erased-{secrets.token_hex(4)}"
    w.names.erased.note(command.user)
    w.scrub = True
    erasure_job.retry(w, command.user)
    user, is_known = w.names.user(command.user), True
    if user is not None:
        _rename(w, user, command.user, alias)
    else:
        is_known, is_named = reminders.names(w, command.user)
        if not is_named:
            return CommandResult(0, w.position)
        user = w.names.make_user(alias)  # the file has nothing of this user but reminders
    w.names.forget()
    erasure_job.begin(w, r, user, command.user, alias)
    return CommandResult(int(is_known), w.position)


def _rename(w: WriteSession, user: int, name: str, alias: str) -> None:
    """Take the name from the number of a user, and what reaches them."""
    w.disorder()
    _leave_place(w, user, name)
    w.db.execute(sql("rename_user"), (user_topic(alias), user))
    preferences.forget(w, user)
    w.db.execute(sql("delete_jobs_of_user"), (user,))


def _leave_place(w: WriteSession, user: int, name: str) -> None:
    """Keep how far the inbox was, for whoever returns under the name: their devices must learn that it is another. It
    goes one further, unless nothing came since it was erased before."""
    head = w.db.one(sql("seq_after_erasure"), (user,))
    if head is not None:
        query = sql("insert_inbox_after_erasure")
        w.db.execute(query, (w.names.make_place(name), *head))
