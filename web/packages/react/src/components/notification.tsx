import { isUnread, type Notification } from "@tidings/client";
import type { ReactNode } from "react";
import { useClient } from "../hooks/client-provider.js";
import { useUi } from "../provider.js";
import { ActionButtons } from "./actions.js";
import { messageOf } from "./emphasis.js";
import { Icon } from "./icons.js";
import { Menu, type MenuItem } from "./menu.js";
import { Avatar, classes, IconButton, Opener, Time } from "./parts.js";

/** Parts of a row that an application may replace. */
export interface NotificationSlots {
  /** In place of the avatar. */
  renderAvatar?: (item: Notification) => ReactNode;
  /** In place of the text. */
  renderText?: (item: Notification) => ReactNode;
  /** Below the text, such as a preview. */
  renderDetails?: (item: Notification) => ReactNode;
}

export type NotificationItemProps = NotificationSlots & {
  item: Notification;
  /** -1 takes the controls out of the tab order, as lists do for all rows but one. */
  tabIndex?: number;
  /** Called after the user has opened it. */
  onOpened?: (() => void) | undefined;
  /** In place of `inbox.archive`: a list moves the focus as well. */
  onArchive?: ((item: Notification) => void) | undefined;
  /** For one that is archived or snoozed: brings it back, and is its only control. */
  onReturn?: () => void;
};

/** One notification: who, what and when, its actions, and what the user can do with it. */
export function NotificationItem(props: NotificationItemProps): ReactNode {
  const { item, tabIndex = 0, onOpened, onArchive, onReturn, renderAvatar, renderText, renderDetails } = props;
  const { inbox } = useClient();
  const { texts, attempt, onOpen } = useUi();
  const { messages } = texts;
  const unread = isUnread(item);
  const open = (): void => {
    onOpen?.(item);
    if (unread) void attempt(inbox.markRead(item.id));
    onOpened?.();
  };
  const archive = (): void => (onArchive ? onArchive(item) : void attempt(inbox.archive(item.id)));
  return (
    <article className={classes("row", { unread, pinned: item.pinned_at })}>
      <div className="tidings-row__avatar">{renderAvatar ? renderAvatar(item) : <Avatars item={item} />}</div>
      <div className="tidings-row__body">
        <Opener url={item.url} onOpen={open} tabIndex={tabIndex}>
          {unread && <span className="tidings-hidden">{messages.unread}: </span>}
          {renderText ? renderText(item) : messageOf(item)}
        </Opener>
        {item.description && <p className="tidings-row__description">{item.description}</p>}
        {renderDetails?.(item)}
        <ActionButtons item={item} tabIndex={tabIndex} />
        <p className="tidings-row__meta">
          <Time at={item.updated_at} />
          {item.pinned_at && (
            <span className="tidings-row__pinned">
              <Icon name="pin" />
              {messages.pinned}
            </span>
          )}
        </p>
      </div>
      <span className="tidings-row__dot" aria-hidden="true" />
      <div className="tidings-row__tools">
        {onReturn ? (
          <IconButton icon="inbox" label={messages.unarchive} tabIndex={tabIndex} onClick={onReturn} />
        ) : (
          <Tools item={item} tabIndex={tabIndex} onArchive={archive} />
        )}
      </div>
    </article>
  );
}

function Tools({ item, tabIndex, onArchive }: { item: Notification; tabIndex: number; onArchive: () => void }): ReactNode {
  const { inbox } = useClient();
  const { texts, attempt } = useUi();
  const { messages } = texts;
  const [icon, label, change] = isUnread(item)
    ? (["check", messages.markRead, () => inbox.markRead(item.id)] as const)
    : (["dot", messages.markUnread, () => inbox.markUnread(item.id)] as const);
  return (
    <>
      <IconButton icon={icon} label={label} tabIndex={tabIndex} onClick={() => void attempt(change())} />
      <IconButton icon="archive" label={messages.archive} tabIndex={tabIndex} onClick={onArchive} />
      <Menu items={useFurther(item)} tabIndex={tabIndex} />
    </>
  );
}

function Avatars({ item }: { item: Notification }): ReactNode {
  const actors = item.parts.actors.slice(0, 2);
  if (actors.length === 0)
    return <Avatar id={item.object_id} name={item.object_title ?? item.type} image={item.object_image} />;
  return actors.map((actor) => <Avatar key={actor.id} id={actor.id} name={actor.name ?? actor.id} image={actor.image} />);
}

const HOUR_MS = 3_600_000;

function useFurther(item: Notification): MenuItem[] {
  const client = useClient();
  const { texts, attempt, announcer } = useUi();
  const { messages } = texts;
  const { inbox } = client;
  const snooze = (label: string, until: () => Date): MenuItem => ({
    label,
    run: () => void attempt(inbox.snooze(until(), item.id)),
  });
  const mute = async (): Promise<void> => {
    await client.request(`/v1/notifications/${encodeURIComponent(item.id)}/mute`, { method: "POST" });
    announcer.say(messages.threadMuted);
  };
  return [
    item.pinned_at
      ? { label: messages.unpin, run: () => void attempt(inbox.unpin(item.id)) }
      : { label: messages.pin, run: () => void attempt(inbox.pin(item.id)) },
    snooze(messages.snoozeHour, () => new Date(Date.now() + HOUR_MS)),
    snooze(messages.snoozeTomorrow, tomorrow),
    snooze(messages.snoozeWeek, () => new Date(Date.now() + 7 * 24 * HOUR_MS)),
    { label: messages.muteThread, run: () => void attempt(mute()) },
  ];
}

/** Tomorrow at 9 o'clock, in the time zone of the browser. */
function tomorrow(): Date {
  const time = new Date();
  time.setDate(time.getDate() + 1);
  time.setHours(9, 0, 0, 0);
  return time;
}
