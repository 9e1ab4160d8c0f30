import type { EventFilter, EventItem, EventList } from "@tidings/client";
import { type KeyboardEvent, type ReactNode, type RefObject, useId, useMemo, useRef, useState } from "react";
import { type ActivityFeedState, useActivityFeed } from "../hooks/feed.js";
import { useUi } from "../provider.js";
import { ActivityCard, type ActivityCardProps, type ActivitySlots } from "./activity-card.js";
import { HideReadSwitch } from "./feed-controls.js";
import { useKeepFocus } from "./keep-focus.js";
import { ListTop } from "./list-top.js";
import { Loader } from "./loader.js";
import { classes, IconButton } from "./parts.js";
import { Rows } from "./rows.js";
import { EmptyState, UnreadDivider } from "./states.js";
import { useReadAll } from "./undo-bar.js";

export type ActivityFeedProps = ActivitySlots & {
  /** Default: the user's feed. */
  list?: EventList;
  filter?: EventFilter;
  /** The heading; "" for none. Default: "Activity". */
  title?: string;
  /** The level of the heading. Default: 2. */
  level?: 1 | 2 | 3;
  /** Offer to hide what was read. Default: true for the user's feed. */
  hideRead?: boolean;
  compact?: boolean;
  /** A whole card in place of ActivityCard. */
  renderItem?: (props: ActivityCardProps) => ReactNode;
  renderEmpty?: () => ReactNode;
  renderHeaderEnd?: () => ReactNode;
  /** The element that scrolls; undefined: the page. */
  scroller?: RefObject<HTMLElement | null>;
  className?: string;
};

const NO_FILTER: EventFilter = {};
const keyOf = (item: EventItem): string => item.event_id;

/**
 * A feed of events that grows as it is scrolled. What arrives while the user reads further down waits behind a pill. Page Down
 * and Page Up move between its articles; Control with End or Home leaves it.
 */
export function ActivityFeed(props: ActivityFeedProps): ReactNode {
  const {
    list = "feed",
    filter = NO_FILTER,
    title,
    level = 2,
    hideRead = list === "feed",
    compact,
    scroller,
    className,
    renderItem,
    renderEmpty,
    renderHeaderEnd,
    ...slots
  } = props;
  const { texts, attempt } = useUi();
  const [hiding, setHiding] = useState(false);
  const state = useActivityFeed(list, hiding ? { ...filter, read: false } : filter);
  const { feed, items, fresh, loadingMore, status } = state;
  const [bar, readAll] = useReadAll(feed);
  const root = useRef<HTMLElement>(null);
  const id = useId();
  const [active, setActive] = useState<string>();
  const divided = useDivider(state);
  useKeepFocus(root);

  const Heading = `h${level}` as "h2";
  const row = (item: EventItem, at: number): ReactNode => {
    const label = `${id}-${item.event_id}`;
    const given: ActivityCardProps = {
      ...slots,
      item,
      compact,
      ...(item.read_at === null && { onOpen: () => void attempt(feed.markRead(item.event_id)) }),
      article: {
        id: label,
        tabIndex: 0,
        "aria-posinset": at + 1,
        "aria-setsize": state.next_cursor === null ? items.length : -1,
        onFocus: () => setActive(item.event_id),
      },
    };
    return (
      <>
        {divided === item.event_id && <UnreadDivider />}
        {renderItem ? renderItem(given) : <ActivityCard {...given} />}
      </>
    );
  };
  return (
    <section
      ref={root}
      className={classes("activity", { compact }, className)}
      aria-label={title || texts.messages.activity}
    >
      {title !== "" && (
        <header className="tidings-activity__header">
          <Heading className="tidings-title">{title ?? texts.messages.activity}</Heading>
          {hideRead && <HideReadSwitch on={hiding} onChange={setHiding} />}
          {items.some((item) => item.read_at === null) && (
            <IconButton icon="checks" label={texts.messages.markAllRead} onClick={readAll} />
          )}
          {renderHeaderEnd?.()}
        </header>
      )}
      <ListTop list={feed} waiting={fresh.length} />
      <Loader {...state} retry={() => feed.refetch()}>
        {items.length === 0 ? (
          (renderEmpty?.() ?? (
            <EmptyState icon="pulse" title={texts.messages.emptyFeed} hint={texts.messages.emptyFeedHint} />
          ))
        ) : (
          <div
            role="feed"
            className="tidings-feed"
            aria-busy={loadingMore || status === "empty"}
            aria-label={title || texts.messages.activity}
            onKeyDown={(event) => moveInFeed(event, root.current)}
          >
            <Rows items={items} keyOf={keyOf} row={row} scroller={scroller} active={active} />
          </div>
        )}
      </Loader>
      {bar}
    </section>
  );
}

/** The first item that was read when the list was first loaded, below unread ones; it stays while the list is shown. */
function useDivider({ status, items }: ActivityFeedState): string | undefined {
  const [divided, setDivided] = useState<string | null>();
  const found = useMemo(() => items.findIndex((item) => item.read_at !== null), [items]);
  if (divided === undefined && status === "loaded") setDivided(found > 0 ? (items[found]?.event_id ?? null) : null);
  return divided ?? undefined;
}

/** The keys of the feed pattern of the ARIA Authoring Practices Guide. */
function moveInFeed(event: KeyboardEvent, root: HTMLElement | null): void {
  const articles = [...(root?.querySelectorAll<HTMLElement>("[role=feed] article") ?? [])];
  const at = articles.findIndex((article) => article.contains(document.activeElement));
  let target: HTMLElement | undefined;
  if (event.key === "PageDown") target = articles[at + 1];
  else if (event.key === "PageUp") target = articles[at - 1];
  else if (event.ctrlKey && event.key === "End") target = beyond(root, false);
  else if (event.ctrlKey && event.key === "Home") target = beyond(root, true);
  else return;
  event.preventDefault();
  target?.focus();
}

const FOCUSABLE = "a[href], button:not([disabled]), input, select, textarea, [tabindex]:not([tabindex='-1'])";

/** The last element before the feed that can have the focus, or the first one after it. */
function beyond(root: HTMLElement | null, before: boolean): HTMLElement | undefined {
  const side = before ? Node.DOCUMENT_POSITION_PRECEDING : Node.DOCUMENT_POSITION_FOLLOWING;
  const others = [...document.querySelectorAll<HTMLElement>(FOCUSABLE)].filter(
    (other) => root && !root.contains(other) && root.compareDocumentPosition(other) & side,
  );
  return before ? others.at(-1) : others[0];
}
