"""The composition root: settings become a store, a commit queue, projections, services. :mod:`tidings.process` serves them.

:func:`running` is the wiring. Start order is the order of need; shutdown goes the other way: no new requests, streams
drained, what is waiting written, the store closed.
"""

import logging
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from tidings.backfill_jobs import BackfillService
from tidings.background import NextRun, Worker
from tidings.commands import Commands
from tidings.commit_effects import CommitEffects, effects_of
from tidings.commit_queue import GroupCommitQueue
from tidings.config import Settings
from tidings.confirmations import Confirmations
from tidings.cursors import Cursors
from tidings.delivery_endpoints import EndpointService
from tidings.errors import ForeignCommit, KeyReused, Unavailable
from tidings.feed_groups import GroupReader
from tidings.feeds import FeedReader
from tidings.http.app import Services
from tidings.http.metrics import Metrics
from tidings.live import Hub
from tidings.model import (
    Command,
    MaterializeBroadcasts,
    NewEvent,
    Outcome,
)
from tidings.notification_actions import ActionService
from tidings.notifications import NotificationReader
from tidings.outbound.channel_registry import ChannelRegistry, configured, missing, unsendable
from tidings.outbound.dispatcher import DeliveryDispatcher
from tidings.outbound.webhook_signing import new_secret
from tidings.ports import DeliveryQueue, Store
from tidings.preferences import PreferencesService
from tidings.projections.notification_rendering import NotificationRenderer
from tidings.projections.runner import Runner
from tidings.public_head import PublicHead
from tidings.reminders import ReminderService
from tidings.snoozes import SnoozeService
from tidings.storage.factory import open_store
from tidings.telemetry import (
    COMMIT_COMMANDS,
    DEAD_LETTERS,
    FANOUT_JOBS,
    POLLS_WAITING,
    STREAMS_OPEN,
    WRITE_QUEUE,
)
from tidings.timeutil import Clock
from tidings.trends import Trends, TrendsWorker
from tidings.unsent_deliveries import UnsentDeliveryService
from tidings.unsubscribing import Unsubscriptions
from tidings.user_merge_jobs import UserMergeService

TICK_S = 1.0
"""Seconds between two checks of the store."""
MEASURE_S = 5.0
"""Seconds between two measurements of pending work: no more frequent than reads of the metrics."""
_log = logging.getLogger(__name__)


# --- composition ----------------------------------------------------------------------------------------------


@asynccontextmanager
async def running(
    settings: Settings, clock: Clock, channels: ChannelRegistry | None = None
) -> AsyncIterator[Services]:
    """The services of a server over an open store, until the block ends; HTTP is not part of it. ``channels``: those of the
    settings, if they are made already."""
    async with AsyncExitStack() as closing:
        # Before the store: an invalid setting leaves no file.
        channel_registry = channels or ChannelRegistry(settings, clock)
        store, cursor_key = await open_store(settings, clock, configured(settings))
        closing.push_async_callback(store.close)
        _warn_of_unsendable(store, settings)
        cursors, wording = Cursors(cursor_key), NotificationRenderer(store, settings.locale)
        position, epoch = await store.head()

        # The commit queue reports to them, and they submit to it: these two look it up when they are called.
        async def submit(command: Command) -> Outcome:
            return await log.submit(command)

        async def materialize(users: Sequence[str], erasures: int) -> None:
            await submit(MaterializeBroadcasts(tuple(users), erasures))

        trends = Trends(store, clock, settings)
        public = PublicHead(position, min(settings.activity_history, settings.retraction_history))
        live = Hub(store, wording, materialize, settings, clock, epoch, position, public=public)
        unsubscriptions = Unsubscriptions(submit, cursor_key, settings.server_url)
        dispatcher = DeliveryDispatcher(store, submit, channel_registry, wording, clock, unsubscriptions.link)
        runner = Runner(store, on_erased=live.reconcile_all, on_step=dispatcher.nudge)
        watch = _StoreWatch(store, on_foreign_commit=live.suspend)
        log = GroupCommitQueue(
            store,
            batch_events=settings.group_commit_events,
            queue=settings.write_queue,
            per_user=settings.max_writes_per_user,
            on_commit=PostCommitHooks(store, trends, live, runner, dispatcher, public),
            on_failure=watch.failed,
        )
        reminders = ReminderService(store, log, settings, clock, cursors)
        snoozes = SnoozeService(store, log, clock)
        confirmations = Confirmations(log, clock, cursor_key, settings.server_url, channel_registry.ask)
        _measure(log, live)
        await trends.start_at(position)
        await watch.look()  # before the first request: a start on a full disk is not ready
        readers = TrendsWorker(trends), Measuring(store)
        _start(closing, (runner, log, dispatcher, reminders, snoozes, live, watch, *readers))
        closing.push_async_callback(confirmations.close)
        yield Services(
            settings=settings,
            clock=clock,
            ingest=Commands(log, runner, settings, clock, cursors, store),
            reader=FeedReader(store, cursors, settings, public),
            groups=GroupReader(store, cursors, settings, public),
            trends=trends,
            inboxes=NotificationReader(
                store, cursors, clock, epoch, wording, live.waiter, materialize, settings.duplicate_window_s
            ),
            live=live,
            backfills=BackfillService(store, log, clock),
            merges=UserMergeService(store, log),
            reminders=reminders,
            snoozes=snoozes,
            actions=ActionService(store, log, settings, clock),
            endpoints=_endpoints(store, log, clock, settings, channel_registry, confirmations, dispatcher),
            deliveries=UnsentDeliveryService(store, log, cursors, clock, dispatcher.pauses),
            preferences=PreferencesService(store, log, settings, partial(unsendable, settings=settings)),
            unsubscriptions=unsubscriptions,
            metrics=Metrics(clock),
            ready=lambda: _unready(log, live, watch, settings),
            cut=dispatcher.cut,
        )


def _measure(log: GroupCommitQueue, live: Hub) -> None:
    """Let the metrics read the current depth of the queue and the open streams."""
    WRITE_QUEUE.set_function(lambda: log.depth)
    STREAMS_OPEN.set_function(lambda: live.open_streams)
    POLLS_WAITING.set_function(lambda: live.waiting_polls)


def _start(closing: AsyncExitStack, parts: Iterable[Worker | GroupCommitQueue | Hub]) -> None:
    """Start these parts, and stop them in the reverse order at the end."""
    for part in parts:
        part.start()
        closing.push_async_callback(part.close)


def _warn_of_unsendable(store: Store, settings: Settings) -> None:
    for unsent in unsendable(store.rules.declared, settings):
        _log.warning("%s", unsent)


def _endpoints(
    store: Store,
    log: GroupCommitQueue,
    clock: Clock,
    settings: Settings,
    channel_registry: ChannelRegistry,
    confirmations: Confirmations,
    dispatcher: DeliveryDispatcher,
) -> EndpointService:
    return EndpointService(
        store,
        log,
        clock,
        allow_http=settings.webhook_allow_http,
        new_secret=new_secret,
        push_key=lambda: channel_registry.push_key,
        confirmations=confirmations,
        confirmed=settings.confirm_addresses,
        refusal=channel_registry.refusal,
        missing=partial(missing, settings),
        pauses=dispatcher.pauses,
    )


def _unready(log: GroupCommitQueue, live: Hub, watch: "_StoreWatch", settings: Settings) -> str | None:
    if live.closing:
        return "the server is stopping"
    if watch.problem:
        return watch.problem
    if log.depth > settings.write_queue // 2:
        return "the write queue is more than half full"
    return None


# --- effects of a commit ----------------------------------------------------------------------------------------


class PostCommitHooks:
    """What every committed transaction sets in motion in this process: trends, hints, the runner and the dispatcher."""

    def __init__(
        self,
        store: Store,
        trends: Trends,
        live: Hub,
        runner: Runner,
        dispatcher: DeliveryDispatcher,
        public: PublicHead,
    ) -> None:
        self._store = store
        self._public = public
        self._trends = trends
        self._live = live
        self._runner = runner
        self._dispatcher = dispatcher

    def __call__(self, commands: Sequence[Command], outcomes: Sequence[Outcome | KeyReused]) -> None:
        COMMIT_COMMANDS.observe(len(commands))
        effects = effects_of(commands, outcomes)
        self._trends.committed(effects)
        self._public.committed(effects)
        self._live.erased(effects.erased)
        self._live.merged(effects.merged)
        if self._live.busy:
            self._hint(effects)
        if effects.jobs:
            self._runner.nudge()
        self._dispatcher.nudge()

    def _hint(self, effects: CommitEffects) -> None:
        """Notify the streams of the users whose inboxes or feeds changed."""
        users = effects.inboxes.union(*(event.targets for event in effects.added))
        self._live.notify(users, bool(effects.added) or effects.feeds)
        if effects.all_inboxes or any(map(self._reaches_others, effects.added)):
            self._live.reconcile_all()

    def _reaches_others(self, event: NewEvent) -> bool:
        """Whether the event changes inboxes of users whom it does not name: an audience, or followers whom its rule
        notifies."""
        rule = self._store.rules.of_verb(event.verb)
        return bool(event.audience) or rule.notifies_followers(event.visibility)


class _StoreWatch(Worker):
    """Has the store checked every second. ``problem`` says why it cannot be written, from the first write that fails until
    one succeeds, of which there is one a second then. After a commit by another program none does, and
    ``on_foreign_commit`` is called with the problem."""

    def __init__(self, store: Store, on_foreign_commit: Callable[[str], None] = lambda _: None) -> None:
        super().__init__("store-watch")
        self._store = store
        self._on_foreign_commit = on_foreign_commit
        self._logged = ""
        self.problem = ""

    async def _round(self) -> NextRun:
        await self.look()
        return NextRun(TICK_S)

    async def look(self) -> None:
        """Check the store now."""
        try:
            await self._store.check()
        except Unavailable as error:
            self.failed(error)
        else:
            if self.problem:
                _log.warning("the store can be written again")
            self._logged = self.problem = ""

    def failed(self, error: Unavailable) -> None:
        """A write failed."""
        foreign = isinstance(error, ForeignCommit)
        if error.for_log != self._logged:
            what = "reads and writes get 503" if foreign else "writes get 503, reads continue"
            _log.error("%s: %s", what, error.for_log)
        if foreign:
            self._on_foreign_commit(error.detail)
        self._logged, self.problem = error.for_log, error.detail


class Measuring(Worker):
    """Updates the gauges of pending work and dead letters, so that reading the metrics reads no store."""

    def __init__(self, store: DeliveryQueue) -> None:
        super().__init__("gauges")
        self._store = store

    async def _round(self) -> NextRun:
        found = await self._store.backlog()
        FANOUT_JOBS.set(found.pending_fanout_jobs)
        DEAD_LETTERS.set(found.dead_letters)
        return NextRun(MEASURE_S)
