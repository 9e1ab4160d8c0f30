import type { NotificationFilter } from "@tidings/client";
import { type ReactNode, useId, useRef, useState } from "react";
import { useClient } from "../hooks/client-provider.js";
import { useUnread } from "../hooks/inbox.js";
import { useTexts } from "../provider.js";
import { Filters } from "./filters.js";
import { InboxList, type InboxListProps } from "./inbox-list.js";
import { useKeepFocus } from "./keep-focus.js";
import { classes } from "./parts.js";
import { useReadAll } from "./undo-bar.js";

export type InboxPageProps = Omit<InboxListProps, "onReadAll"> & {
  /** The level of the heading. Default: 1. */
  level?: 1 | 2 | 3;
  renderHeaderEnd?: () => ReactNode;
  className?: string;
};

const VIEWS = ["all", "unread", "snoozed", "archived"] as const;
type View = (typeof VIEWS)[number];
const FILTERS: Readonly<Record<View, NotificationFilter | undefined>> = {
  all: undefined,
  unread: { unread_only: true },
  snoozed: { state: "snoozed" },
  archived: { state: "archived" },
};

/** A page with all notifications: the inbox, what is unread, snoozed and archived. */
export function InboxPage({ level = 1, renderHeaderEnd, className, filter, ...list }: InboxPageProps): ReactNode {
  const { messages } = useTexts();
  const { unread_count } = useUnread();
  const [view, setView] = useState<View>("all");
  const [bar, readAll] = useReadAll(useClient().inbox);
  const id = useId();
  const root = useRef<HTMLElement>(null);
  useKeepFocus(root);
  const Heading = `h${level}` as "h2";
  return (
    <section ref={root} className={classes("inbox", {}, className)} aria-labelledby={id}>
      <header className="tidings-inbox__header">
        <Heading id={id} className="tidings-title">
          {messages.notifications}
        </Heading>
        {unread_count > 0 && view !== "archived" && view !== "snoozed" && (
          <button type="button" className="tidings-button" onClick={readAll}>
            {messages.markAllRead}
          </button>
        )}
        {renderHeaderEnd?.()}
      </header>
      <Filters views={VIEWS} view={view} onChange={setView} />
      <InboxList
        key={view}
        {...list}
        filter={FILTERS[view] ? { ...filter, ...FILTERS[view] } : filter}
        onReadAll={readAll}
      />
      {bar}
    </section>
  );
}
