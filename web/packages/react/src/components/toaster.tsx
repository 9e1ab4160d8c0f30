import type { Notification } from "@tidings/client";
import { type ReactNode, useEffect, useState } from "react";
import { SILENCE } from "../announcer.js";
import { useClient } from "../hooks/client-provider.js";
import { isArrival, useNotificationEvents } from "../hooks/inbox.js";
import { useStore } from "../hooks/store.js";
import { useUi } from "../provider.js";
import { emphasised } from "./emphasis.js";
import { Avatar, classes, IconButton, Opener } from "./parts.js";

export interface ToasterProps {
  /** Toasts that are shown at once; of more, only the number. Default: 3. */
  most?: number;
  /** Milliseconds for which a toast is shown. Default: 6,000. It stays while the pointer or the focus is on it. */
  ms?: number;
  /** Which notifications are shown. Default: all. */
  filter?: (item: Notification) => boolean;
  renderToast?: (item: Notification) => ReactNode;
}

/** Notifications as they arrive, and changes that could not be saved, in a corner. Screen readers hear the live region. */
export function Toaster({ most = 3, ms = 6_000, filter, renderToast }: ToasterProps): ReactNode {
  const { announcer, texts } = useUi();
  const said = useStore(announcer, SILENCE);
  const [items, setItems] = useState<readonly Notification[]>([]);
  const [dismissed, setDismissed] = useState(SILENCE);
  const [held, setHeld] = useState(false);
  useNotificationEvents((change) => {
    if (!isArrival(change) || filter?.(change) === false) return;
    setItems((now) => [change, ...now.filter((item) => item.id !== change.id)]);
  });
  const failure = said.failure && said !== dismissed ? said : undefined;
  const newest = items[0] ?? failure;
  useEffect(() => {
    if (!newest || held) return undefined;
    const timer = setTimeout(() => {
      setItems([]);
      if (failure) setDismissed(failure);
    }, ms);
    return () => clearTimeout(timer);
  }, [newest, failure, held, ms]);
  const drop = (id: string): void => {
    setHeld(false); // browsers do not report that the focus or the pointer left what was removed
    setItems((now) => now.filter((item) => item.id !== id));
  };
  const dismiss = (): void => {
    setHeld(false);
    setDismissed(said);
  };
  const hidden = items.length - most;
  return (
    <div
      className="tidings-toaster"
      onPointerEnter={() => setHeld(true)}
      onPointerLeave={() => setHeld(false)}
      onFocus={() => setHeld(true)}
      onBlur={() => setHeld(false)}
    >
      {hidden > 0 && (
        <p className="tidings-toast tidings-toast--more">{texts.plural(texts.messages.newNotifications, hidden)}</p>
      )}
      {items.slice(0, most).map((item) => (
        <Toast key={item.id} item={item} onClose={() => drop(item.id)} render={renderToast} />
      ))}
      {failure && (
        <div className={classes("toast", { failure: true })}>
          <p className="tidings-toast__text">{failure.text}</p>
          <IconButton icon="close" label={texts.messages.close} onClick={dismiss} />
        </div>
      )}
    </div>
  );
}

function Toast(props: { item: Notification; onClose: () => void; render: ToasterProps["renderToast"] }): ReactNode {
  const { item, onClose, render } = props;
  const { inbox } = useClient();
  const { attempt, texts, onOpen } = useUi();
  const actor = item.parts.actors[0];
  const open = (): void => {
    onOpen?.(item);
    void attempt(inbox.markRead(item.id));
    onClose();
  };
  return (
    <div className="tidings-toast">
      {render?.(item) ?? (
        <>
          <Avatar
            id={actor?.id ?? item.object_id}
            name={actor?.name ?? actor?.id ?? item.type}
            image={actor?.image ?? item.object_image}
          />
          <div className="tidings-toast__text">
            <Opener url={item.url} onOpen={open}>
              {emphasised(item.message, [...item.parts.actors.map((one) => one.name ?? one.id), item.parts.object.title])}
            </Opener>
          </div>
        </>
      )}
      <IconButton icon="close" label={texts.messages.close} onClick={onClose} />
    </div>
  );
}
