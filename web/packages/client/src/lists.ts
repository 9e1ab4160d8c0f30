import type { Core, InboxApi } from "./core.js";
import { createFeed, type Feed, type Groups } from "./feed.js";
import { type EventFilter, type EventList, isAmong, type NotificationFilter, parametersOf, pathOf } from "./filters.js";
import { heldOf } from "./held.js";
import { createInbox, type Inbox, PATH } from "./inbox.js";
import type { LiveList } from "./list.js";
import type { Query } from "./requests.js";

/** Lists of events (the user's feed, public activity, and topics), and further lists of notifications. */
export interface ListsApi {
  /** Notifications with a filter. Equal filters are one object; it is kept current while somebody subscribes to it. */
  readonly notifications: (filter?: NotificationFilter) => Inbox;
  /** A list of events. Equal lists with equal filters are one object; it is kept current while somebody subscribes to it. */
  readonly feed: (list?: EventList, filter?: EventFilter) => Feed;
  /** The same in groups of similar events. */
  readonly groups: (list?: EventList, filter?: EventFilter) => Groups;
}

/** Further lists of a client. */
export function listsOf(client: InboxApi): ListsApi {
  const { _context, _lists, _add } = client as Core;
  const listOf = <L extends LiveList>(path: string, query: Query, make: (query: Query) => L): L =>
    heldOf<LiveList>(_lists, _context._requests._address(path, query), () => {
      const list = make(query);
      _add(list);
      return list;
    }) as L;
  const events = (list: EventList = "feed", filter: EventFilter = {}, group?: true): Feed & Groups & LiveList =>
    listOf(pathOf(list), { ...parametersOf(filter), group }, (query) => createFeed(_context, list, filter, query));
  return {
    feed: (list, filter) => events(list, filter),
    groups: (list, filter) => events(list, filter, true),
    notifications: (filter = {}) =>
      listOf(PATH, parametersOf(filter), (query) => createInbox(_context, filter, query, (item) => isAmong(filter, item))),
  };
}
