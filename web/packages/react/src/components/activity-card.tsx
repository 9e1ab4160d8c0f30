import type { EventItem } from "@tidings/client";
import type { HTMLAttributes, ReactNode } from "react";
import { useUi } from "../provider.js";
import { Actions } from "./actions.js";
import { eventText } from "./event-text.js";
import { Avatar, classes, Opener, Time } from "./parts.js";

/** Parts of a card that an application may replace. */
export interface ActivitySlots {
  renderAvatar?: (item: EventItem) => ReactNode;
  renderText?: (item: EventItem) => ReactNode;
  /** Below the text, such as an image. */
  renderDetails?: (item: EventItem) => ReactNode;
}

export type ActivityCardProps = ActivitySlots & {
  item: EventItem;
  /** Called when the user opens it. */
  onOpen?: () => void;
  /** Without description and actions, on one line if it fits. */
  compact?: boolean | undefined;
  /** Attributes of the article, as a feed sets them. */
  article?: HTMLAttributes<HTMLElement>;
};

/** One event: who did what to what, and when. */
export function ActivityCard(props: ActivityCardProps): ReactNode {
  const { item, onOpen, compact = false, article, renderAvatar, renderText, renderDetails } = props;
  const { phrases, onOpen: opened, texts } = useUi();
  const name = item.actor_name ?? item.actor_id;
  const text = renderText ? renderText(item) : eventText(item, phrases);
  const unread = item.read_at === null;
  const open = (): void => {
    opened?.(item);
    onOpen?.();
  };
  return (
    <article className={classes("card", { unread, compact })} {...article}>
      <div className="tidings-card__avatar">
        {renderAvatar ? renderAvatar(item) : <Avatar id={item.actor_id} name={name} image={item.actor_image} />}
      </div>
      <div className="tidings-card__body">
        {unread && <span className="tidings-hidden">{texts.messages.unread}: </span>}
        {item.url || onOpen ? (
          <Opener url={item.url} onOpen={open}>
            {text}
          </Opener>
        ) : (
          <span className="tidings-card__text">{text}</span>
        )}
        {!compact && item.description && <p className="tidings-row__description">{item.description}</p>}
        {renderDetails?.(item)}
        {!compact && item.actions && <Actions actions={item.actions} onAct={undefined} />}
        {!compact && <CardTime item={item} />}
      </div>
      {compact && <CardTime item={item} />}
      <span className="tidings-row__dot" aria-hidden="true" />
    </article>
  );
}

function CardTime({ item }: { item: EventItem }): ReactNode {
  return (
    <p className="tidings-row__meta">
      <Time at={item.created_at} />
    </p>
  );
}
