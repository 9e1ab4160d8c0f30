import type { EventItem } from "@tidings/client";
import type { ActivityCardProps } from "@tidings/react";
import type { ReactNode } from "react";
import { wordOf } from "../texts.js";
import { Avatar, Phrase, Time } from "./basics.js";
import { FollowButton } from "./follows.js";

type CardProps = ActivityCardProps & {
  /** The topic that its button follows. */
  topic?: string;
  onUnread?: () => void;
};

/** One event of a feed: opening it marks it read. */
export function Card({ item, onOpen, onUnread, topic, article }: CardProps): ReactNode {
  const unread = item.read_at === null;
  const mark = unread ? "Mark as read" : "Mark as unread";
  const actor = item.actor_name ?? item.actor_id;
  return (
    <article className={unread ? "card card--unread" : "card"} {...article}>
      <Avatar id={item.actor_id} name={actor} />
      <div className="card__body">
        <p className="card__text">
          {item.title ? (
            <strong>{item.title}</strong>
          ) : (
            <Phrase verb={item.verb} actor={actor} object={item.object_title ?? item.object_id} />
          )}
        </p>
        {item.description && <p className="card__description">{item.description}</p>}
        <p className="card__meta">
          {item.title && <span>{actor}</span>}
          <Time at={item.created_at} />
          <span className="tag">{wordOf(item.verb)}</span>
          {item.reason && <span className="card__reason">{reasonOf(item)}</span>}
        </p>
      </div>
      <div className="card__tools">
        {topic && <FollowButton topic={topic} />}
        {item.read_at !== undefined && (
          <button type="button" className="dot-button" aria-label={mark} title={mark} onClick={unread ? onOpen : onUnread} />
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
