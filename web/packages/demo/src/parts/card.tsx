import type { EventItem } from "@tidings/client";
import type { ActivityCardProps } from "@tidings/react";
import type { ReactNode } from "react";
import { PHRASES, wordOf } from "../texts.js";
import { Avatar, Time } from "./basics.js";
import { FollowButton } from "./follows.js";

/** The text of an event, with its actor and object in bold. */
export function Sentence({ item }: { item: EventItem }): ReactNode {
  if (item.title) return <strong>{item.title}</strong>;
  const object = item.object_title ?? item.object_id;
  const values: Readonly<Record<string, string>> = { actor: item.actor_name ?? item.actor_id, object };
  const phrase = PHRASES[item.verb] ?? `{actor}: ${wordOf(item.verb)} · {object}`;
  return phrase.split(/\{(\w+)\}/).map((part, at) => {
    // biome-ignore lint/suspicious/noArrayIndexKey: the parts of a text never move
    return at % 2 ? <strong key={at}>{values[part]}</strong> : part;
  });
}

export type CardProps = ActivityCardProps & {
  /** The topic that its button follows. */
  topic?: string;
  onUnread?: () => void;
};

/** One event of a feed: opening it marks it read. */
export function Card({ item, onOpen, onUnread, topic, article }: CardProps): ReactNode {
  const unread = item.read_at === null;
  return (
    <article className={unread ? "card card--unread" : "card"} {...article}>
      <Avatar id={item.actor_id} name={item.actor_name ?? item.actor_id} />
      <div className="card__body">
        <p className="card__text">
          <Sentence item={item} />
        </p>
        {item.description && <p className="card__description">{item.description}</p>}
        <p className="card__meta">
          {item.title && <span>{item.actor_name ?? item.actor_id}</span>}
          <Time at={item.created_at} />
          <span className="tag">{wordOf(item.verb)}</span>
          {item.reason && <span className="card__reason">{reasonOf(item)}</span>}
        </p>
      </div>
      <div className="card__tools">
        {topic && <FollowButton topic={topic} />}
        {item.read_at !== undefined && (
          <button
            type="button"
            className="dot-button"
            aria-label={unread ? "Mark as read" : "Mark as unread"}
            title={unread ? "Mark as read" : "Mark as unread"}
            onClick={unread ? onOpen : onUnread}
          />
        )}
      </div>
    </article>
  );
}

/** Why an event is in the feed, as the server says. */
function reasonOf({ reason }: EventItem): string {
  if (reason?.kind === "target") return "concerns you";
  if (reason?.kind === "own") return "your own";
  const [kind, ...id] = (reason?.topic ?? "").split(":");
  return kind === "user" ? `you follow ${id.join(":")}` : `you follow this ${kind}`;
}
