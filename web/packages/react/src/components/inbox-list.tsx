import type { Notification, NotificationFilter } from "@tidings/client";
import { type KeyboardEvent, type ReactNode, type RefObject, useEffect, useRef, useState } from "react";
import { useNotifications } from "../hooks/inbox.js";
import { useTexts, useUi } from "../provider.js";
import { ListTop } from "./list-top.js";
import { Loader } from "./loader.js";
import { NotificationItem, type NotificationItemProps, type NotificationSlots } from "./notification.js";
import { Rows } from "./rows.js";
import { EmptyState } from "./states.js";

export type InboxListProps = NotificationSlots & {
  /** Which notifications: archived, snoozed, of a type. Default: those of the inbox. */
  filter?: NotificationFilter | undefined;
  /** A whole row in place of NotificationItem. */
  renderItem?: (props: NotificationItemProps) => ReactNode;
  /** What is shown if there is nothing. */
  renderEmpty?: () => ReactNode;
  /** The element that scrolls; undefined: the page. */
  scroller?: RefObject<HTMLElement | null>;
  /** Called after the user has opened a notification. */
  onOpened?: () => void;
  /** Called for the key that marks all read. */
  onReadAll?: () => void;
};

const keyOf = (item: Notification): string => item.id;

/**
 * The rows of an inbox. One of them is in the tab order; up, down, j and k move to another one, Enter opens it, e archives it
 * and u changes whether it is read.
 */
export function InboxList(props: InboxListProps): ReactNode {
  const { filter, renderItem, renderEmpty, scroller, onOpened, onReadAll, ...slots } = props;
  const { attempt, texts } = useUi();
  const { items, inbox, ...view } = useNotifications(filter);
  const list = useRef<HTMLDivElement>(null);
  const [active, setActive] = useState<string>();
  const [wanted, setWanted] = useState<string>();
  const activeId = items.some((item) => item.id === active) ? active : items[0]?.id;
  useEffect(() => {
    if (wanted === undefined) return;
    rowOf(list.current, wanted)?.focus();
    setWanted(undefined);
  }, [wanted]);

  const archive = (item: Notification): void => {
    const at = items.indexOf(item);
    const next = items[at + 1] ?? items[at - 1];
    const had = list.current?.contains(document.activeElement);
    void attempt(inbox.archive(item.id));
    if (next && had) focusOn(next.id);
  };
  const focusOn = (id: string): void => {
    setActive(id);
    setWanted(id);
  };
  const keys = (event: KeyboardEvent): void => {
    if (event.altKey || event.ctrlKey || event.metaKey || isField(event.target as HTMLElement)) return;
    const at = items.findIndex((item) => item.id === activeId);
    const item = items[at];
    if (!item) return;
    const moves: Record<string, number> = {
      ArrowDown: at + 1,
      j: at + 1,
      ArrowUp: at - 1,
      k: at - 1,
      Home: 0,
      End: items.length - 1,
    };
    const target = moves[event.key];
    if (target !== undefined) {
      const to = items[target];
      if (to) focusOn(to.id);
    } else if (event.key === "e" && !back) archive(item);
    else if (event.key === "u") void attempt(item.read_at === null ? inbox.markRead(item.id) : inbox.markUnread(item.id));
    else if (event.key === "A" && onReadAll) onReadAll();
    else return;
    event.preventDefault();
  };
  const row = (item: Notification, at: number): ReactNode => {
    const given: NotificationItemProps = {
      ...slots,
      item,
      tabIndex: item.id === activeId ? 0 : -1,
      onOpened,
      onArchive: archive,
      ...(back && { onReturn: () => void attempt(item.archived_at ? inbox.unarchive(item.id) : inbox.unsnooze(item.id)) }),
    };
    return (
      <div role="listitem" aria-posinset={at + 1} aria-setsize={view.next_cursor === null ? items.length : -1}>
        <div role="none" data-tidings-row={item.id} onFocus={() => setActive(item.id)}>
          {renderItem ? renderItem(given) : <NotificationItem {...given} />}
        </div>
      </div>
    );
  };
  const back = filter?.state === "archived" || filter?.state === "snoozed";
  return (
    <Loader {...view} retry={() => inbox.refetch()}>
      <ListTop list={inbox} waiting={view.fresh.length} />
      {items.length === 0 ? (
        (renderEmpty?.() ?? <Nothing filter={filter} />)
      ) : (
        <div ref={list} role="list" className="tidings-rows" aria-label={texts.messages.notifications} onKeyDown={keys}>
          <Rows items={items} keyOf={keyOf} row={row} scroller={scroller} active={activeId} />
        </div>
      )}
    </Loader>
  );
}

function Nothing({ filter }: Pick<InboxListProps, "filter">): ReactNode {
  const { messages } = useTexts();
  if (filter?.unread_only) return <EmptyState title={messages.emptyUnread} />;
  if (filter?.state) return <EmptyState title={messages.emptyFeed} hint="" />;
  return <EmptyState />;
}

/** Whether keys write into an element, such as the field of a reply in a row. */
function isField(element: HTMLElement): boolean {
  return element.isContentEditable || /^(INPUT|SELECT|TEXTAREA)$/.test(element.tagName);
}

function rowOf(list: HTMLElement | null, id: string): HTMLElement | null | undefined {
  return list?.querySelector<HTMLElement>(`[data-tidings-row="${CSS.escape(id)}"] .tidings-opener`);
}
