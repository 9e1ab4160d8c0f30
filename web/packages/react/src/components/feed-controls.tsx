import type { ReactNode } from "react";
import { useConnection } from "../hooks/connection.js";
import { useFeedSummary } from "../hooks/feed.js";
import { useFollow } from "../hooks/follow.js";
import { useTexts, useUi } from "../provider.js";
import { Icon } from "./icons.js";
import { classes } from "./parts.js";

/** How many items arrived while the user read further down; a press shows them. Nothing for none. */
export function NewItemsPill({ count, onShow }: { count: number; onShow: () => void }): ReactNode {
  const texts = useTexts();
  if (!count) return null;
  return (
    <div className="tidings-pill-place">
      <button type="button" className="tidings-pill" onClick={onShow}>
        <Icon name="up" />
        {texts.plural(texts.messages.newItems, count)}
      </button>
    </div>
  );
}

/** A switch with a text. */
export function Switch(props: {
  label: string;
  on: boolean;
  onChange: (on: boolean) => void;
  hideLabel?: boolean;
}): ReactNode {
  const { label, on, onChange, hideLabel = false } = props;
  return (
    <button
      type="button"
      role="switch"
      aria-checked={on}
      aria-label={hideLabel ? label : undefined}
      className="tidings-switch"
      onClick={() => onChange(!on)}
    >
      <span className="tidings-switch__track" aria-hidden="true" />
      {!hideLabel && label}
    </button>
  );
}

/** Hides what the user has read. */
export function HideReadSwitch({ on, onChange }: { on: boolean; onChange: (on: boolean) => void }): ReactNode {
  const { messages } = useTexts();
  return <Switch label={messages.hideRead} on={on} onChange={onChange} />;
}

/** Verbs of a summary that are listed. */
const VERBS = 4;

/** The counts of the user's feed: all, unread, and the most frequent verbs. */
export function SummaryHeader({ verbs = {} }: { verbs?: Readonly<Record<string, string>> }): ReactNode {
  const texts = useTexts();
  const { data } = useFeedSummary();
  if (!data) return <p className="tidings-summary" />;
  const counts = Object.entries(data.verbs)
    .sort(([, a], [, b]) => b - a)
    .slice(0, VERBS);
  return (
    <p className="tidings-summary">
      <strong>{texts.plural(texts.messages.total, data.total)}</strong>
      {data.unread_count > 0 && (
        <span className="tidings-summary__unread">{texts.plural(texts.messages.unreadTotal, data.unread_count)}</span>
      )}
      {counts.map(([verb, count]) => (
        <span key={verb} className="tidings-summary__verb">
          {verbs[verb] ?? verb.replaceAll("_", " ")} <b>{texts.number(count)}</b>
        </span>
      ))}
    </p>
  );
}

const STATES = {
  live: "live",
  connecting: "connecting",
  polling: "polling",
  waiting: "offline",
  paused: "paused",
  stopped: "stopped",
} as const;

/** Whether changes arrive at once, with a delay, or not. */
export function ConnectionStatus({ hideLabel = false }: { hideLabel?: boolean }): ReactNode {
  const { messages } = useTexts();
  const { status, error } = useConnection();
  const label = messages[STATES[status]];
  return (
    <span className={classes("connection", { [STATES[status]]: true })} title={hideLabel ? label : error}>
      <span className="tidings-connection__dot" aria-hidden="true" />
      <span className={hideLabel ? "tidings-hidden" : undefined}>{label}</span>
    </span>
  );
}

/** A button that follows a topic, and unfollows it again. */
export function FollowButton({ topic, label }: { topic: string; label?: string }): ReactNode {
  const { texts, attempt } = useUi();
  const { following, follow, unfollow } = useFollow(topic);
  const { messages } = texts;
  return (
    <button
      type="button"
      className={classes("button", { following, primary: following === false })}
      aria-pressed={following ?? false}
      aria-label={label && `${following ? messages.following : messages.follow}: ${label}`}
      disabled={following === undefined}
      onClick={() => void attempt(following ? unfollow() : follow())}
    >
      {following && <Icon name="check" />}
      {following ? messages.following : messages.follow}
    </button>
  );
}
