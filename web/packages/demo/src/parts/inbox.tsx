import type { Undo } from "@tidings/client";
import { InboxList, useMarkAllRead, useUnread } from "@tidings/react";
import { type ReactNode, useEffect, useState } from "react";
import { number } from "../texts.js";
import { Button, Panel, Segments } from "./basics.js";

const UNDO_MS = 10_000;
const FILTERS = { all: "All", unread: "Unread" } as const;

/** The page with all notifications. */
export function InboxPanel({ title = "Inbox" }: { title?: string }): ReactNode {
  const [filter, setFilter] = useState<keyof typeof FILTERS>("all");
  const { unread_count } = useUnread();
  const markAll = useMarkAllRead();
  const [undo, setUndo] = useState<Undo>();
  useEffect(() => {
    if (!undo) return undefined;
    const timer = setTimeout(() => setUndo(undefined), UNDO_MS);
    return () => clearTimeout(timer);
  }, [undo]);
  const readAll = async (): Promise<void> => {
    const back = await markAll();
    setUndo(() => back);
  };
  return (
    <Panel
      flush
      title={title}
      aside={
        <span className="panel__tools">
          <Segments label="Shown" value={filter} options={FILTERS} onChange={setFilter} />
          <Button disabled={!unread_count} onClick={() => void readAll()}>
            Mark all read
          </Button>
        </span>
      }
    >
      <InboxList filter={filter === "unread" ? { unread_only: true } : undefined} onReadAll={() => void readAll()} />
      {undo && (
        <div className="undo" role="status">
          <span>All marked as read</span>
          <button
            type="button"
            className="undo__button"
            onClick={() => {
              setUndo(undefined);
              void undo();
            }}
          >
            Undo
          </button>
        </div>
      )}
      <p className="panel__note">{unread_count ? `${number(unread_count)} unread in the whole inbox` : "All read"}</p>
    </Panel>
  );
}
