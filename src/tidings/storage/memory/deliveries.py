"""The rules of ``tidings.ports.DeliveryQueue`` in memory: reminders and deliveries."""

import sys
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate, islice

import msgspec

from tidings.delivery_priority import DeliveryPriority, fill_page
from tidings.endpoint_commands import (
    AddEndpoint,
    ConfirmEndpoint,
    EnableEndpoint,
    RemoveEndpoint,
    ResendDelivery,
    ReserveConfirmation,
    RotateSecret,
)
from tidings.ids import notification_id
from tidings.inbox_commands import DeliveryEffect
from tidings.model import CancelReminder
from tidings.notification_facts import Delivery
from tidings.personal_data import DeliveryResult, Endpoint, Reminder
from tidings.rules import Rule
from tidings.status import Backlog, DeadLetter, DeliveryPlace, QueuedDelivery
from tidings.storage import anonymize
from tidings.storage.memory.inbox import Group
from tidings.storage.memory.state import Confirmation, MemoryState, PendingDelivery


class MemoryDeliveries(MemoryState):
    """Reminders and deliveries."""

    # --- reading --------------------------------------------------------------------------------------------

    async def endpoints(self, user: str) -> list[Endpoint]:
        """The endpoints of a user, oldest first."""
        return sorted(self._peek(user).endpoints.values(), key=lambda endpoint: endpoint.created_at)

    async def reminders(
        self,
        due_by: int | None,
        limit: int,
        after: tuple[int, str] | None = None,
        max_bytes: int = sys.maxsize,
    ) -> list[Reminder]:
        """The next reminders, soonest first."""
        soonest = sorted((reminder.due_at, reminder.key) for reminder in self._reminders.values())
        wanted = (
            at for at in soonest if (due_by is None or at[0] <= due_by) and (after is None or at > after)
        )
        found = [self._reminders[key] for _, key in islice(wanted, limit)]
        fitting = bisect_right(list(accumulate(one.size for one in found)), max_bytes)
        return found[: max(1, fitting)]

    async def reminder(self, key: str) -> Reminder | None:
        """One reminder."""
        return self._reminders.get(key)

    async def deliveries(
        self, due_by: int, limit: int, ids: tuple[int, ...] | None = None, without: tuple[str, ...] = ()
    ) -> list[Delivery]:
        """Due deliveries that are no dead letters, by priority and longest due first."""
        waiting = sorted(self._waiting(), key=lambda pending: (pending.due_at, pending.id))
        due = [
            pending for pending in waiting if pending.due_at <= due_by and (ids is None or pending.id in ids)
        ]
        found = [pending for pending in due if pending.endpoint not in without]
        by_priority = [[one for one in found if one.priority is each] for each in DeliveryPriority]
        return [self._delivery(pending) for pending in fill_page(by_priority, limit)]

    async def next_due(self) -> int | None:
        """The time at which the next reminder or delivery is due."""
        due = [reminder.due_at for reminder in self._reminders.values()]
        return min(due + [pending.due_at for pending in self._waiting()], default=None)

    async def backlog(self) -> Backlog:
        """There are no fan-out jobs; deliveries may be dead letters."""
        return Backlog(0, sum(pending.dead for pending in self._pending.values()))

    async def count_active_broadcasts(self) -> int:
        """The number of active broadcasts."""
        now = self._clock.now()
        return sum(now < each.expires_at and each.key in self._log for each in self._broadcasts)

    async def dead_letters(self, limit: int) -> list[DeadLetter]:
        """The dead letters of deliveries, oldest first; there are no fan-out jobs."""
        return [self._letter(pending) for pending in self._pending.values() if pending.dead][:limit]

    async def unsent_deliveries(
        self, endpoint: str | None, limit: int, before: DeliveryPlace | None = None
    ) -> list[QueuedDelivery] | None:
        """A page of them."""
        if endpoint is not None and not any(endpoint in one.endpoints for one in self._people.values()):
            return None
        unsent = [self._unsent(pending) for pending in self._pending.values()]
        if endpoint is None:
            below = [one for one in unsent if before is None or one.id < before[2]]
            return sorted(below, key=lambda one: one.id, reverse=True)[:limit]
        to_it = [one for one in unsent if one.endpoint_id == endpoint]
        below = [one for one in to_it if before is None or one.place < before]
        return sorted(below, key=lambda one: one.place, reverse=True)[:limit]

    async def unsent_delivery(self, id: int) -> QueuedDelivery | None:
        """One of them."""
        pending = self._pending.get(id)
        return None if pending is None else self._unsent(pending)

    def _unsent(self, pending: PendingDelivery) -> QueuedDelivery:
        person = self._people[pending.user]
        endpoint = person.endpoints[pending.endpoint]
        return QueuedDelivery(
            pending.id,
            endpoint.id,
            pending.user,
            endpoint.channel,
            pending.type,
            pending.number,
            notification_id(person.number, pending.number),
            "dead" if pending.dead else "held" if pending.held else "queued",
            pending.due_at,
            pending.created_at,
            pending.attempts,
            pending.error,
            endpoint.is_usable,
        )

    def _waiting(self) -> Iterator[PendingDelivery]:
        return (pending for pending in self._pending.values() if not pending.dead)

    def _delivery(self, pending: PendingDelivery) -> Delivery:
        person = self._people[pending.user]
        group = person.inbox.groups[pending.number]
        return Delivery(
            pending.id,
            person.endpoints[pending.endpoint],
            pending.type,
            None if group.deleted else self._row(person, group),
            person.preferences,
            pending.due_at,
            pending.created_at,
            pending.attempts,
            self._is_muted(pending.user, group),
            pending.priority,
        )

    def _letter(self, pending: PendingDelivery) -> DeadLetter:
        channel = self._people[pending.user].endpoints[pending.endpoint].channel
        subject = f"{pending.user} {channel}"
        return DeadLetter(
            pending.id, "delivery", subject, pending.attempts, pending.error, pending.user, pending.endpoint
        )

    # --- deliveries -----------------------------------------------------------------------------------------

    def _enqueue_deliveries(
        self, user: str, number: int, type: str, rule: Rule, *, bulk: bool = False
    ) -> None:
        """An item has joined this group: enqueue a delivery to every endpoint of its user on the type's channels."""
        channels = set(rule.channels).intersection(self._channels)
        to = [each for each in self._person(user).endpoints.values() if each.channel in channels]
        self._enqueue_to(to, number, type, DeliveryPriority.of(critical=rule.critical, bulk=bulk))

    def _enqueue_to(
        self, endpoints: Iterable[Endpoint], number: int, type: str, priority: DeliveryPriority
    ) -> None:
        """Enqueue a delivery of a group to those of these endpoints of its user that are usable and have no delivery of it
        queued."""
        now = self._clock.now()
        for endpoint in endpoints:
            waits = any(
                (pending.user, pending.number, pending.endpoint) == (endpoint.user, number, endpoint.id)
                for pending in self._waiting()
            )
            if endpoint.is_usable and not waits:
                id = next(self._delivery_ids)
                self._pending[id] = PendingDelivery(
                    id, endpoint.user, endpoint.id, number, type, now, now, priority=priority
                )

    def _settle(self, handled: DeliveryResult) -> int:
        """Record the result of a delivery; that of a missing one, or one that a former state of the preferences or of the
        endpoint decided, is ignored."""
        pending = self._pending.get(handled.id)
        if pending is None or not self._is_current(pending, handled):
            return 0
        pending.held = handled.state == "held"
        match handled.state:
            case "sent":
                self._sent(pending, handled.at or self._clock.now())
            case "dropped":
                del self._pending[pending.id]
            case "held":
                pending.due_at = handled.at
            case "gone":
                self._remove_endpoint(RemoveEndpoint(pending.user, pending.endpoint))
            case _:
                pending.attempts += 1
                pending.error = handled.error
                pending.dead = handled.state == "dead"
                pending.due_at = handled.at
                if handled.error and handled.tried:
                    self._failed_last(pending, handled.error)
                if handled.failures:
                    self._refuse(pending, handled)
        if handled.order and handled.state in ("sent", "dead", "dropped"):
            self._enqueue_again(pending, handled.order)
        return 1

    def _is_current(self, pending: PendingDelivery, handled: DeliveryResult) -> bool:
        person = self._people[pending.user]
        revision = person.endpoints[pending.endpoint].revision
        return handled.by in (None, person.preferences) and handled.revision in (None, revision)

    def _enqueue_again(self, pending: PendingDelivery, carried: int) -> None:
        """Enqueue a delivery for items that joined a group during an attempt: none was enqueued, since one of the group was
        queued."""
        person = self._people[pending.user]
        if any(seq > max(carried, pending.number) for seq in person.inbox.groups[pending.number].items):
            to = [person.endpoints[pending.endpoint]]
            self._enqueue_to(to, pending.number, pending.type, pending.priority)

    def _sent(self, pending: PendingDelivery, at: int) -> None:
        endpoints = self._people[pending.user].endpoints
        endpoints[pending.endpoint] = msgspec.structs.replace(
            endpoints[pending.endpoint], sent_at=at, failures=0, last_error="", last_error_at=0
        )
        del self._pending[pending.id]

    def _failed_last(self, pending: PendingDelivery, error: str) -> None:
        endpoints, now = self._people[pending.user].endpoints, self._clock.now()
        endpoints[pending.endpoint] = msgspec.structs.replace(
            endpoints[pending.endpoint], last_error=error, last_error_at=now
        )

    def _refuse(self, pending: PendingDelivery, handled: DeliveryResult) -> None:
        endpoints = self._people[pending.user].endpoints
        refusing = msgspec.structs.replace(endpoints[pending.endpoint], failures=handled.failures)
        if handled.disables:
            now = self._clock.now()
            refusing = msgspec.structs.replace(refusing, disabled_at=now, disabled_reason=handled.error)
        endpoints[pending.endpoint] = refusing

    def _release_held(self, user: str) -> None:
        """The quiet hours or the digest that deferred deliveries of a user have changed: decide about the deferred ones
        again."""
        for pending in self._pending.values():
            if pending.user == user and pending.held:
                pending.held, pending.due_at = False, min(pending.due_at, self._clock.now())

    def _on_snooze(self, user: str, group: Group, effect: DeliveryEffect) -> None:
        """Defer the deliveries of a group until the end of its snooze, as new ones; drop them; or make them due."""
        now = self._clock.now()
        queued = [one for one in self._waiting() if (one.user, one.number) == (user, group.number)]
        if effect == "release":
            for pending in queued:
                pending.due_at, pending.created_at, pending.held = now, now, False
            return
        for pending in queued:
            del self._pending[pending.id]
        if effect == "defer":
            self._enqueue_deliveries(user, group.number, group.type, self._rules.rule(group.type))
            for pending in self._waiting():
                if (pending.user, pending.number) == (user, group.number):
                    pending.due_at, pending.held = group.own.snoozed_until or now, True

    def _replay(self) -> int:
        dead = [
            pending
            for pending in self._pending.values()
            if pending.dead and not self._people[pending.user].endpoints[pending.endpoint].disabled_at
        ]
        for pending in dead:
            pending.dead, pending.attempts, pending.due_at = False, 0, self._clock.now()
        return len(dead)

    def _bound(self, latest: int) -> int:
        late = [pending for pending in self._waiting() if pending.due_at > latest]
        for pending in late:
            pending.held, pending.due_at = False, self._clock.now()
        return len(late)

    def _resend(self, resend: ResendDelivery) -> int:
        pending = self._pending.get(resend.id)
        if pending is None or not self._people[pending.user].endpoints[pending.endpoint].is_usable:
            return 0
        pending.dead, pending.held, pending.attempts, pending.due_at = False, False, 0, self._clock.now()
        return 1

    def _change_endpoints(
        self,
        command: AddEndpoint
        | ConfirmEndpoint
        | EnableEndpoint
        | RotateSecret
        | ReserveConfirmation
        | RemoveEndpoint,
    ) -> int:
        match command:
            case AddEndpoint():
                return self._add_endpoint(command)
            case ConfirmEndpoint():
                return self._confirm_endpoint(command)
            case EnableEndpoint():
                return self._enable_endpoint(command)
            case RotateSecret():
                return self._rotate_secret(command)
            case ReserveConfirmation():
                return self._reserve_confirmation(command)
            case RemoveEndpoint():
                return self._remove_endpoint(command)

    def _add_endpoint(self, add: AddEndpoint) -> int:
        new = add.endpoint
        endpoints = self._person(new.user).endpoints
        place = (new.channel, new.address)
        old = next((each for each in endpoints.values() if (each.channel, each.address) == place), None)
        if old is None:
            endpoints[new.id] = new
            self._registered[new.id] = len(self._registered)
        else:
            secret = old.secret if new.channel == "webhook" else new.secret
            confirmed = old.confirmed or new.confirmed
            vouched = old.vouched or new.vouched
            endpoints[old.id] = msgspec.structs.replace(
                old.enabled(), secret=secret, confirmed=confirmed, vouched=vouched
            )
        return 1

    def _confirm_endpoint(self, confirm: ConfirmEndpoint) -> int:
        holding = [person.endpoints for person in self._people.values() if confirm.id in person.endpoints]
        for endpoints in holding:
            endpoints[confirm.id] = msgspec.structs.replace(endpoints[confirm.id], confirmed=True)
        return len(holding)

    def _enable_endpoint(self, enable: EnableEndpoint) -> int:
        endpoints = self._peek(enable.user).endpoints
        if enable.id not in endpoints:
            return 0
        endpoints[enable.id] = endpoints[enable.id].enabled()
        return 1

    def _rotate_secret(self, rotate: RotateSecret) -> int:
        endpoints = self._peek(rotate.user).endpoints
        if rotate.id not in endpoints or endpoints[rotate.id].channel != "webhook":
            return 0
        old = endpoints[rotate.id]
        endpoints[rotate.id] = msgspec.structs.replace(
            old,
            secret=rotate.secret,
            revision=old.revision + 1,
            previous_secret=old.secret if rotate.keep_until else "",
            previous_until=rotate.keep_until,
        )
        return 1

    def _reserve_confirmation(self, reserve: ReserveConfirmation) -> int:
        now = self._clock.now()
        counted = [each for each in self._confirmations if each.until > now]
        self._confirmations = counted
        of_user = sum(each.user_digest == reserve.user_digest for each in counted)
        to_address = sum(each.address_digest == reserve.address_digest for each in counted)
        if of_user >= reserve.per_user or to_address >= reserve.per_address:
            return 0
        counted.append(Confirmation(now + reserve.window_ms, reserve.user_digest, reserve.address_digest))
        return 1

    def _remove_endpoint(self, remove: RemoveEndpoint) -> int:
        removed = self._peek(remove.user).endpoints.pop(remove.id, None)
        if removed is not None:
            to_it = (remove.user, remove.id)
            self._pending = {
                id: pending
                for id, pending in self._pending.items()
                if (pending.user, pending.endpoint) != to_it
            }
        return int(removed is not None)

    # --- reminders ------------------------------------------------------------------------------------------

    def _remind(self, reminder: Reminder) -> int:
        self._reminders[reminder.key] = reminder
        return 1

    def _cancel(self, cancel: CancelReminder) -> int:
        if cancel.only is not None and self._reminders.get(cancel.key) != cancel.only:
            return 0
        return int(self._reminders.pop(cancel.key, None) is not None)

    def _forget_agenda(self, user: str, alias: str) -> bool:
        """Delete an erased user's reminders and deliveries; returns whether any named the user."""
        naming = [reminder for reminder in self._reminders.values() if user in anonymize.people(reminder)]
        for reminder in naming:
            left = anonymize.anonymize_reminder(reminder, user, alias)
            if left is None:
                del self._reminders[reminder.key]
            else:
                self._reminders[reminder.key] = left
        self._pending = {id: pending for id, pending in self._pending.items() if pending.user != user}
        return bool(naming)
