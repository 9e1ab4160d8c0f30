import { type EventItem, type Notification, TidingsClient } from "@tidings/client";
import { TidingsProvider } from "@tidings/react";
import type { ReactNode } from "react";
import { createPortal } from "react-dom";
import { createRoot, type Root } from "react-dom/client";
import { ENGLISH, english, type Language, otherLanguage } from "./languages.js";
import type { View } from "./views.js";

/** Sessions by the attributes of their elements. */
const sessions = new Map<string, Session>();
let keys = 0;

/** The session of an element: one for all that have equal attributes. */
export function sessionOf(element: HTMLElement): Session {
  const settings: Settings = {
    url: element.getAttribute("url") ?? undefined,
    user: element.getAttribute("user") ?? undefined,
    tokenUrl: element.getAttribute("token-url") ?? undefined,
    locale: element.getAttribute("locale") ?? element.closest<HTMLElement>("[lang]")?.lang ?? ENGLISH.locale,
  };
  const key = JSON.stringify(settings, (_name, value) => value ?? null);
  const known = sessions.get(key);
  if (known) return known;
  const made = new Session(settings, () => sessions.delete(key));
  sessions.set(key, made);
  return made;
}

interface Settings {
  readonly url: string | undefined;
  readonly user: string | undefined;
  readonly tokenUrl: string | undefined;
  readonly locale: string;
}

/** The client that elements with equal attributes share, and their views; it ends with the last of them. */
export class Session {
  readonly #client: TidingsClient;
  readonly #root: Root;
  readonly #container = document.createElement("div");
  readonly #views = new Map<HTMLElement, { readonly key: string; readonly view: View }>();
  readonly #ended: () => void;
  #language: Language | undefined;

  constructor({ url, user, tokenUrl, locale }: Settings, ended: () => void) {
    this.#ended = ended;
    this.#client = new TidingsClient({
      ...(url === undefined ? {} : { url }),
      ...(user === undefined ? {} : { user }),
      ...(tokenUrl === undefined ? {} : { token: () => fetchToken(tokenUrl) }),
      onError: (error) => this.#failed(error),
    });
    document.body.append(this.#container); // it has the live region
    this.#root = createRoot(this.#container);
    const load = otherLanguage(locale);
    if (!load) this.#language = english(locale);
    else void this.#load(load);
  }

  show(element: HTMLElement, view: View): void {
    const known = this.#views.get(element);
    if (!known) element.replaceChildren(); // what was there for browsers without scripts
    keys += 1;
    this.#views.set(element, { key: known?.key ?? String(keys), view });
    this.#render();
  }

  remove(element: HTMLElement): void {
    this.#views.delete(element);
    if (this.#views.size) {
      this.#render();
      return;
    }
    this.#root.unmount();
    this.#container.remove();
    this.#client.stop();
    this.#ended();
  }

  async #load(load: () => Promise<Language>): Promise<void> {
    try {
      this.#language = await load();
    } catch (error) {
      this.#language = ENGLISH;
      this.#failed(error);
    }
    if (this.#views.size) this.#render();
  }

  #render(): void {
    if (!this.#language) return;
    const provided = { client: this.#client, ...this.#language };
    const portals = [...this.#views].map(([element, { key, view }]) => {
      const onOpen = (item: Notification | EventItem): void => tell(element, "tidings-open", { item });
      const shown: ReactNode = (
        <TidingsProvider {...provided} onOpen={onOpen}>
          {view}
        </TidingsProvider>
      );
      return createPortal(shown, element, key);
    });
    this.#root.render(<TidingsProvider {...provided}>{portals}</TidingsProvider>);
  }

  #failed(error: unknown): void {
    for (const element of this.#views.keys()) tell(element, "tidings-error", { error });
  }
}

function tell(element: HTMLElement, type: string, detail: object): void {
  element.dispatchEvent(new CustomEvent(type, { detail, bubbles: true }));
}

async function fetchToken(url: string): Promise<string> {
  const response = await fetch(url, { credentials: "include", cache: "no-store" });
  if (!response.ok) throw new Error(`${url} responded with ${response.status}`);
  return (await response.text()).trim();
}
