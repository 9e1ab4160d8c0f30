import { type KeyboardEvent, type ReactNode, useEffect, useId, useRef, useState } from "react";
import { useClient } from "../hooks/client-provider.js";
import { useUnread } from "../hooks/inbox.js";
import { useUi } from "../provider.js";
import { Bell, type BellProps } from "./bell.js";
import { Filters } from "./filters.js";
import { InboxList, type InboxListProps } from "./inbox-list.js";
import { useKeepFocus } from "./keep-focus.js";
import { useLeave } from "./leave.js";
import { classes, IconButton } from "./parts.js";
import { useReadAll } from "./undo-bar.js";

export type DropdownProps = Omit<InboxListProps, "scroller" | "onReadAll"> &
  Pick<BellProps, "badge" | "counts" | "max" | "icon"> & {
    /** The edge of the bell that the panel is aligned with. Default: `end`. */
    align?: "start" | "end";
    /** The address of the page with all notifications. */
    pageUrl?: string;
    /** At the end of the heading, such as a link to the settings. */
    renderHeaderEnd?: () => ReactNode;
    className?: string;
  };

/** A bell that opens the newest notifications in a panel below it. */
export function Dropdown(props: DropdownProps): ReactNode {
  const { badge, counts, max, icon, align = "end", pageUrl, renderHeaderEnd, className, ...list } = props;
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const id = useId();
  const close = (): void => setOpen(false);
  useLeave(root, open, close);
  useSeeAll(open);
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== "Escape" || !open) return;
    event.stopPropagation();
    close();
    root.current?.querySelector<HTMLElement>(".tidings-bell")?.focus();
  };
  const bell = { ...(badge && { badge }), ...(counts && { counts }), ...(max && { max }), icon };
  return (
    <div className={classes("dropdown", {}, className)} ref={root} onKeyDown={onKeyDown}>
      <Bell {...bell} expanded={open} controls={open ? id : undefined} onClick={() => setOpen(!open)} />
      {open && (
        <Panel
          {...list}
          id={id}
          align={align}
          pageUrl={pageUrl}
          renderHeaderEnd={renderHeaderEnd}
          onOpened={() => {
            close();
            list.onOpened?.();
          }}
        />
      )}
    </div>
  );
}

/** Mark all seen while the panel is open. After a refusal not again before it is opened anew: the count comes back with it. */
function useSeeAll(open: boolean): void {
  const { inbox } = useClient();
  const { attempt } = useUi();
  const { unseen_count } = useUnread();
  const [state, setState] = useState<"sending" | "refused">();
  useEffect(() => {
    if (!open) setState(undefined);
    else if (unseen_count && state === undefined) {
      setState("sending");
      void attempt(inbox.seeAll().then(() => true)).then((done) => setState(done ? undefined : "refused"));
    }
  }, [open, unseen_count, state, inbox, attempt]);
}

const VIEWS = ["all", "unread"] as const;

type PanelProps = Omit<DropdownProps, "pageUrl" | "renderHeaderEnd"> & {
  id: string;
  pageUrl: string | undefined;
  renderHeaderEnd: (() => ReactNode) | undefined;
};

function Panel({ id, align, pageUrl, renderHeaderEnd, filter, ...list }: PanelProps): ReactNode {
  const { texts, Link } = useUi();
  const { messages } = texts;
  const { unread_count } = useUnread();
  const panel = useRef<HTMLDivElement>(null);
  const body = useRef<HTMLDivElement>(null);
  const [view, setView] = useState<(typeof VIEWS)[number]>("all");
  const [bar, readAll] = useReadAll(useClient().inbox);
  useEffect(() => panel.current?.focus(), []);
  useKeepFocus(panel);
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.target !== panel.current || !["ArrowDown", "j"].includes(event.key)) return;
    event.preventDefault();
    body.current?.querySelector<HTMLElement>(".tidings-opener")?.focus();
  };
  return (
    <div
      ref={panel}
      id={id}
      className={classes("panel", { [align ?? "end"]: true })}
      role="dialog"
      aria-labelledby={`${id}-title`}
      tabIndex={-1}
      onKeyDown={onKeyDown}
    >
      <div className="tidings-panel__header">
        <h2 id={`${id}-title`} className="tidings-title">
          {messages.notifications}
        </h2>
        {unread_count > 0 && <IconButton icon="checks" label={messages.markAllRead} onClick={readAll} />}
        {renderHeaderEnd?.()}
      </div>
      <Filters views={VIEWS} view={view} count={unread_count} onChange={setView} />
      <div ref={body} className="tidings-panel__body">
        <InboxList
          {...list}
          filter={view === "unread" ? { ...filter, unread_only: true } : filter}
          scroller={body}
          onReadAll={readAll}
        />
      </div>
      {bar}
      {pageUrl && (
        <div className="tidings-panel__footer">
          <Link href={pageUrl} className="tidings-link" onClick={list.onOpened}>
            {messages.seeAll}
          </Link>
        </div>
      )}
    </div>
  );
}
