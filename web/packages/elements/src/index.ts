import type { EventItem, Notification } from "@tidings/client";
import { type Session, sessionOf } from "./session.js";
import { bell, feed, inbox, type View } from "./views.js";

/** What a `tidings-open` event has in `detail`: the notification or the event that the user opened. */
export interface OpenDetail {
  readonly item: Notification | EventItem;
}

/** What a `tidings-error` event has in `detail`: why a request in the background failed. */
export interface ErrorDetail {
  readonly error: unknown;
}

const SHARED = ["url", "user", "token-url", "locale"];

// A server may import the module; it has no elements.
const Base = (globalThis.HTMLElement ?? class {}) as typeof HTMLElement;

/** The class of elements that show a view as long as they are in the document. It depends on `own` attributes. */
function elementOf(view: (element: HTMLElement) => View, ...own: string[]): typeof HTMLElement {
  return class extends Base {
    static readonly observedAttributes = [...SHARED, ...own];
    #session: Session | undefined;
    #pending = false;

    connectedCallback(): void {
      this.#changed();
    }

    disconnectedCallback(): void {
      this.#changed();
    }

    attributeChangedCallback(): void {
      this.#changed();
    }

    // Afterwards, once for all that happens now: an element that is moved leaves the document and is back at once.
    #changed(): void {
      if (this.#pending) return;
      this.#pending = true;
      queueMicrotask(() => {
        this.#pending = false;
        const session = this.isConnected ? sessionOf(this) : undefined;
        if (session !== this.#session) this.#session?.remove(this);
        this.#session = session;
        session?.show(this, view(this));
      });
    }
  };
}

/** `<tidings-bell>`: a bell that opens the newest notifications in a panel. */
export class TidingsBell extends elementOf(bell, "page-url", "align") {}

/** `<tidings-inbox>`: a page with all notifications. */
export class TidingsInbox extends elementOf(inbox) {}

/** `<tidings-feed>`: the user's feed, all activity (`feed="activity"`), or that of a `topic`. */
export class TidingsFeed extends elementOf(feed, "feed", "topic") {}

const ELEMENTS = { "tidings-bell": TidingsBell, "tidings-inbox": TidingsInbox, "tidings-feed": TidingsFeed };
for (const [name, element] of Object.entries(ELEMENTS)) {
  if (globalThis.customElements && !customElements.get(name)) customElements.define(name, element);
}

declare global {
  interface HTMLElementTagNameMap {
    "tidings-bell": TidingsBell;
    "tidings-inbox": TidingsInbox;
    "tidings-feed": TidingsFeed;
  }

  interface HTMLElementEventMap {
    "tidings-open": CustomEvent<OpenDetail>;
    "tidings-error": CustomEvent<ErrorDetail>;
  }
}
