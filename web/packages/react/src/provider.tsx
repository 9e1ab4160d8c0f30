import type { EventItem, Notification } from "@tidings/client";
import { type ComponentType, createContext, type ReactNode, useContext, useMemo } from "react";
import { Announcer, LiveRegion } from "./announcer.js";
import { ClientContext, ClientProvider, type ClientProviderProps } from "./hooks/client-provider.js";
import { en } from "./messages/en.js";
import type { Messages } from "./messages/types.js";
import { Texts } from "./text.js";

/** What a link component receives; `next/link` and those of routers accept it. */
export interface LinkProps {
  href: string;
  className?: string | undefined;
  tabIndex?: number | undefined;
  onClick?: (() => void) | undefined;
  children?: ReactNode;
}

/** What the components below a provider share. */
export interface Ui {
  readonly texts: Texts;
  /** Texts of events by verb: `{actor} commented on {object}`. */
  readonly phrases: Readonly<Record<string, string>>;
  readonly Link: ComponentType<LinkProps> | "a";
  readonly announcer: Announcer;
  /** Await a change by the user; a failure is announced, and the result is then undefined. */
  attempt<T>(change: Promise<T>): Promise<T | undefined>;
  readonly onOpen: ((item: Notification | EventItem) => void) | undefined;
}

const UiContext = createContext<Ui | undefined>(undefined);

export function useUi(): Ui {
  const ui = useContext(UiContext);
  if (!ui) throw new Error("Tidings: a component was rendered outside of <TidingsProvider>");
  return ui;
}

export function useTexts(): Texts {
  return useUi().texts;
}

export type TidingsProviderProps = ClientProviderProps & {
  /** The texts. Default: English. */
  messages?: Messages;
  /** The language of dates and numbers, if it is not that of `messages`. */
  locale?: string;
  /** Texts of events by verb, with `{actor}` and `{object}`, for events without a message of their own. */
  phrases?: Readonly<Record<string, string>>;
  /** The component of links, such as `Link` of Next.js. Default: `<a>`. */
  linkComponent?: ComponentType<LinkProps>;
  /** Called when the user opens a notification or an event, before its link is followed. */
  onOpen?: (item: Notification | EventItem) => void;
};

const NO_PHRASES: Readonly<Record<string, string>> = {};

/**
 * Provides the client and the texts to the components below, and the one live region of the page. One within another that has
 * the same client uses the live region of that one.
 */
export function TidingsProvider(props: TidingsProviderProps): ReactNode {
  const { messages = en, locale, phrases = NO_PHRASES, linkComponent: Link = "a", onOpen, children, ...client } = props;
  const outer = useContext(UiContext);
  const outerClient = useContext(ClientContext);
  const shared = client.client && client.client === outerClient ? outer?.announcer : undefined;
  const announcer = useMemo(() => shared ?? new Announcer(), [shared]);
  const ui = useMemo<Ui>(() => {
    const texts = new Texts(messages, locale);
    const attempt = async <T,>(change: Promise<T>): Promise<T | undefined> => {
      try {
        return await change;
      } catch {
        announcer.say(texts.messages.notSaved, true);
        return undefined;
      }
    };
    return { texts, phrases, Link, announcer, attempt, onOpen };
  }, [messages, locale, phrases, Link, onOpen, announcer]);
  return (
    <ClientProvider {...client}>
      <UiContext.Provider value={ui}>
        {children}
        {!shared && <LiveRegion />}
      </UiContext.Provider>
    </ClientProvider>
  );
}
