"""The invariants, one checker each, used by every kind of test: unit, property, crash and over the wire.

A checker is a pure function over plain data that raises AssertionError and says what it found. ``adapters``
brings a store's answers and the wire's JSON into that plain form. ``tests/unit/test_checkers.py`` proves
that each can fail.

I1 ``ledger.exactly_once`` · I2 ``ledger.idempotent`` · I3 ``inboxes.dense``, ``audience`` · I4
``paging.complete`` · I5 ``streams.continuous`` · I6 ``inboxes.counted``, ``inboxes.spared``, ``fold.faithful`` · I7
``tops.exact`` · I9 ``taint.untainted`` · I12 ``bounds.within`` · and ``history.History``, which recomputes from all that was
written what I3, I5, I6 and I9 ask of each reader
"""
