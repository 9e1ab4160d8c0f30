import type { EventFilter, EventItem, EventList } from "@tidings/client";
import { ActivityFeed, useActivityFeed } from "@tidings/react";
import { type ReactNode, useEffect } from "react";
import { Empty } from "./basics.js";
import { Card } from "./card.js";

interface FeedListProps {
  list?: EventList;
  filter?: EventFilter;
  hideRead?: boolean;
  /** New events wait behind the pill, wherever the user is. */
  held?: boolean;
  /** The topic that the button of a card follows. */
  topicOf?: (item: EventItem) => string;
  empty?: ReactNode;
}

const NO_FILTER: EventFilter = {};
const UNREAD: EventFilter = { read: false };

/** A feed of the package with the cards of the demo, which say why an event is in it. */
export function FeedList({
  list = "feed",
  filter = NO_FILTER,
  hideRead = false,
  held = false,
  topicOf,
  empty,
}: FeedListProps): ReactNode {
  const shown = hideRead ? { ...filter, ...UNREAD } : filter;
  const { feed } = useActivityFeed(list, shown);
  useEffect(() => {
    if (!held) return undefined;
    feed.hold(true);
    return () => {
      feed.hold(false);
      feed.showFresh();
    };
  }, [feed, held]);
  return (
    <ActivityFeed
      title=""
      list={list}
      filter={shown}
      renderItem={(given) => (
        <Card
          {...given}
          {...(topicOf && { topic: topicOf(given.item) })}
          onUnread={() => void feed.markUnread(given.item.event_id)}
        />
      )}
      renderEmpty={() => empty ?? <Empty title="Nothing here yet" hint="New events appear as they happen." />}
    />
  );
}

export function Skeletons(): ReactNode {
  return (
    <div className="skeletons" role="status" aria-label="Loading">
      {[1, 2, 3, 4, 5].map((one) => (
        <div key={one} className="skeleton" />
      ))}
    </div>
  );
}
