import type { Notification } from "@tidings/client";
import { type ReactNode, type RefObject, useEffect, useRef, useState } from "react";
import { SILENCE } from "../announcer.js";
import { useClient } from "../hooks/client-provider.js";
import { isArrival, useNotificationEvents } from "../hooks/inbox.js";
import { useStore } from "../hooks/store.js";
import { useUi } from "../provider.js";
import { messageOf } from "./emphasis.js";
import { useKeepFocus } from "./keep-focus.js";
import { Avatar, classes, IconButton, Opener } from "./parts.js";

export interface ToasterProps {
  /** Toasts that are shown at once; of more, only the number. Default: 3. */
  most?: number;
  /** Milliseconds for which each toast is shown. Default: 6,000. All stay while the pointer or the focus is in the toaster. */
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
  const root = useRef<HTMLDivElement>(null);
  useNotificationEvents((change) => {
    if (!isArrival(change) || filter?.(change) === false) return;
    setItems((now) => [change, ...now.filter((item) => item.id !== change.id)]);
  });
  const failure = said.failure && said !== dismissed ? said : undefined;
  const held = useHeld(root, items.length + Number(failure !== undefined));
  useKeepFocus(root);
  const drop = (id: string): void => setItems((now) => now.filter((item) => item.id !== id));
  const hidden = items.length - most;
  return (
    <div ref={root} className="tidings-toaster">
      {hidden > 0 && (
        <p className="tidings-toast tidings-toast--more">{texts.plural(texts.messages.newNotifications, hidden)}</p>
      )}
      {items.map((item, at) => (
        <Timed key={item.id} of={item} ms={ms} held={held} onEnd={() => drop(item.id)}>
          {at < most && <Toast item={item} onClose={() => drop(item.id)} render={renderToast} />}
        </Timed>
      ))}
      {failure && (
        <Timed of={failure} ms={ms} held={held} onEnd={() => setDismissed(failure)}>
          <div className={classes("toast", { failure: true })}>
            <p className="tidings-toast__text">{failure.text}</p>
            <IconButton icon="close" label={texts.messages.close} onClick={() => setDismissed(failure)} />
          </div>
        </Timed>
      )}
    </div>
  );
}

/**
 * Whether the pointer or the focus is in an element, which shows `count` things. React reports neither `blur` nor `pointerleave`
 * where an element is removed, so that it is asked for again when their number changes.
 */
function useHeld(root: RefObject<HTMLElement | null>, count: number): boolean {
  const [pointed, setPointed] = useState(false);
  const [focused, setFocused] = useState(false);
  useEffect(() => {
    const element = root.current;
    if (!element) return undefined;
    const enter = (): void => setPointed(true);
    const leave = (): void => setPointed(false);
    const focus = (): void => setFocused(true);
    const blur = ({ relatedTarget }: FocusEvent): void => setFocused(element.contains(relatedTarget as Node | null));
    const listeners = { pointerenter: enter, pointerleave: leave, focusin: focus, focusout: blur as () => void };
    for (const [name, listener] of Object.entries(listeners)) element.addEventListener(name, listener);
    return () => {
      for (const [name, listener] of Object.entries(listeners)) element.removeEventListener(name, listener);
    };
  }, [root]);
  useEffect(() => {
    if (!count) setPointed(false);
    const scope = root.current?.getRootNode() as Document | ShadowRoot | undefined;
    setFocused(count > 0 && root.current?.contains(scope?.activeElement ?? null) === true);
  }, [root, count]);
  return pointed || focused;
}

/** Calls `onEnd` after `ms` in which it was not held; another thing starts anew. */
function Timed(props: { of: object; ms: number; held: boolean; onEnd: () => void; children: ReactNode }): ReactNode {
  const { of, ms, held, onEnd, children } = props;
  const end = useRef(onEnd);
  end.current = onEnd;
  const left = useRef({ of, ms });
  useEffect(() => {
    if (left.current.of !== of) left.current = { of, ms };
    if (held) return undefined;
    const { current } = left;
    const began = performance.now();
    const timer = setTimeout(() => end.current(), current.ms);
    return () => {
      clearTimeout(timer);
      current.ms -= performance.now() - began;
    };
  }, [of, ms, held]);
  return children;
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
              {messageOf(item)}
            </Opener>
          </div>
        </>
      )}
      <IconButton icon="close" label={texts.messages.close} onClick={onClose} />
    </div>
  );
}
