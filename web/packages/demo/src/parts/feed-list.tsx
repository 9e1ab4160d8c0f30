import type { EventFilter, EventItem, EventList } from "@tidings/client";
import { useActivityFeed } from "@tidings/react";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { number } from "../texts.js";
import { Empty } from "./basics.js";
import { Card } from "./card.js";

/** Events that are in the page at first, and how many more with each step. */
const STEP = 30;

export interface FeedListProps {
  list?: EventList;
  filter?: EventFilter;
  /** Events have a read state, which the user changes. */
  marks?: boolean;
  hideRead?: boolean;
  /** New events wait behind the pill, wherever the user is. */
  held?: boolean;
  /** The topic that the button of a card follows. */
  topicOf?: (item: EventItem) => string;
  empty?: ReactNode;
}

/** A list of events that is live. While the user reads further down, new ones wait behind a pill. */
export function FeedList(props: FeedListProps): ReactNode {
  const { list = "feed", filter, marks = false, hideRead = false, held = false, topicOf, empty } = props;
  const { feed, items, fresh, status, next_cursor, loadingMore, loadMore } = useActivityFeed(list, filter);
  const [shown, setShown] = useState(STEP);
  const [top, away] = useAway<HTMLDivElement>();
  useEffect(() => {
    feed.hold(away || held);
    if (!away && !held) feed.showFresh();
    return () => feed.hold(false);
  }, [feed, away, held]);
  const visible = (hideRead ? items.filter((item) => item.read_at == null) : items).slice(0, shown);
  const more = visible.length < items.length || next_cursor !== null;
  const further = (): void => {
    setShown(shown + STEP);
    if (shown + STEP > items.length) void loadMore().catch(() => undefined);
  };
  return (
    <div className="feed">
      <div ref={top} className="feed__top" />
      {fresh.length > 0 && (
        <button
          type="button"
          className="pill"
          onClick={() => {
            feed.showFresh();
            top.current?.scrollIntoView({ block: "center" });
          }}
        >
          {number(fresh.length)} new
        </button>
      )}
      {status === "empty" && <Skeletons />}
      {status !== "empty" &&
        !visible.length &&
        (empty ?? <Empty title="Nothing here yet" hint="New events appear as they happen." />)}
      {visible.map((item) => (
        <Card
          key={item.event_id}
          item={item}
          {...(topicOf && { topic: topicOf(item) })}
          onRead={marks ? (read) => void (read ? feed.markRead(item.event_id) : feed.markUnread(item.event_id)) : undefined}
        />
      ))}
      {visible.length > 0 && more && (
        <button type="button" className="more" disabled={loadingMore} onClick={further}>
          {loadingMore ? "Loading …" : "Show more"}
        </button>
      )}
    </div>
  );
}

/** Whether the element was scrolled out of sight. */
function useAway<E extends Element>(): [React.RefObject<E | null>, boolean] {
  const ref = useRef<E>(null);
  const [away, setAway] = useState(false);
  useEffect(() => {
    if (!ref.current) return undefined;
    const observer = new IntersectionObserver(([entry]) => setAway(entry ? !entry.isIntersecting : false), {
      rootMargin: "0px 0px 400px 0px",
    });
    observer.observe(ref.current);
    return () => observer.disconnect();
  }, []);
  return [ref, away];
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
