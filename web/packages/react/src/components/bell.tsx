import type { ReactNode } from "react";
import { useUnread } from "../hooks/inbox.js";
import { useTexts } from "../provider.js";
import { Icon } from "./icons.js";
import { classes } from "./parts.js";

export interface BellProps {
  /** What the badge shows: a number, a dot, or nothing. Default: `count`. */
  badge?: "count" | "dot" | "none";
  /** What is counted: `unseen` clears when the list is opened, `unread` when items are read. Default: `unseen`. */
  counts?: "unseen" | "unread";
  /** The greatest number; above it, `99+`. Default: 99. */
  max?: number;
  className?: string | undefined;
  /** In place of the icon. */
  icon?: ReactNode | undefined;
  onClick?: () => void;
  /** For a bell that opens something. */
  expanded?: boolean;
  controls?: string | undefined;
}

/** A bell with the number of unseen notifications. */
export function Bell(props: BellProps): ReactNode {
  const { badge = "count", counts = "unseen", max = 99, className, icon, onClick, expanded, controls } = props;
  const texts = useTexts();
  const { unread_count, unseen_count } = useUnread();
  const count = counts === "unseen" ? unseen_count : unread_count;
  const { messages } = texts;
  return (
    <button
      type="button"
      className={classes("bell", { open: expanded }, className)}
      aria-label={unread_count ? texts.plural(messages.bell, unread_count) : messages.notifications}
      {...(expanded === undefined
        ? {}
        : { "aria-haspopup": "dialog", "aria-expanded": expanded, "aria-controls": controls })}
      onClick={onClick}
    >
      {icon ?? <Icon name="bell" />}
      {count > 0 && badge !== "none" && (
        <span key={count} className={classes("badge", { dot: badge === "dot" })} aria-hidden="true">
          {badge === "count" && (count > max ? `${texts.number(max)}+` : texts.number(count))}
        </span>
      )}
    </button>
  );
}
