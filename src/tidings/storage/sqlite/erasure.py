"""The erasure of a user: hidden at once, and deleted from the file, at once or in steps."""

import secrets

from tidings.model import CommandResult, EraseUser, user_topic
from tidings.personal_data import alias_of
from tidings.storage.sqlite import (
    display_names,
    erasure_job,
    feed_history,
    preferences,
    reminders,
    user_merges,
)
from tidings.storage.sqlite.read_snapshot import ReadSnapshot
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.timeline_numbers import topic_timelines
from tidings.storage.sqlite.write_session import WriteSession


def erase(w: WriteSession, r: ReadSnapshot, command: EraseUser) -> CommandResult:
    """Erase a user: the name finds and shows nothing from now on. The data in the file is deleted now, if it is little, or
    else in steps (erasure_job.py)."""
    alias = alias_of(secrets.randbits(32))
    w.names.erased.note(command.user)
    w.scrub = True
    erasure_job.retry(w, command.user)
    user, is_known = w.names.user(command.user), True
    if user is not None:
        _rename(w, user, command.user, alias)
    else:
        is_known = reminders.is_named(w, command.user)
        if not is_known and not reminders.is_named(w, command.user, include_cancelled=True):
            return CommandResult(0, w.position)
        user = w.names.make_user(alias)  # the file has nothing of this user but reminders
    w.names.forget()
    marked = feed_history.erased(w) if r.entries_up(topic_timelines(user), -1, 1) else 0
    erasure_job.begin(w, r, user, command.user, alias)
    return CommandResult(int(is_known), w.position, marked=marked)


def _rename(w: WriteSession, user: int, name: str, alias: str) -> None:
    """Replace the name of a user's number by the alias, and delete preferences and endpoints."""
    w.disorder()
    _leave_place(w, user, name)
    w.db.execute(sql("rename_user"), (user_topic(alias), user))
    preferences.forget(w, user)
    user_merges.forget(w, user)
    display_names.forget(w, user)
    w.db.execute(sql("delete_jobs_of_user"), (user,))
    w.db.execute(sql("delete_snoozes_of_user"), (user,))


def _leave_place(w: WriteSession, user: int, name: str) -> None:
    """Keep the last seq of the inbox for a user who returns under the name: the user's devices must notice that it is
    another inbox. The seq is one higher, unless nothing was added since an earlier erasure."""
    head = w.db.one(sql("seq_after_erasure"), (user,))
    if head is not None:
        query = sql("insert_inbox_after_erasure")
        w.db.execute(query, (w.names.make_place(name), *head))
