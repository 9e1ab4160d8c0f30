import type { ConnectionState } from "./connection.js";
import type { PageEvent, Runtime } from "./runtime.js";
import type { Frame } from "./transports.js";

/** What a tab wants of the stream: kinds of frames, and topics; and whether it is visible, and so can lead. */
export interface Want {
  readonly include: readonly string[];
  readonly topics: readonly string[];
  readonly visible: boolean;
}

/** What the tabs of one user send each other. */
export type Message =
  /** A frame that the leader received. */
  | { readonly kind: "frame"; readonly frame: Frame }
  /** The leader's connection; sent at each change, and as a heartbeat. */
  | { readonly kind: "state"; readonly leader: string; readonly state: ConnectionState }
  /** The leader polled the lists: the others do the same. */
  | { readonly kind: "poll" }
  /** What a tab wants of the stream. */
  | { readonly kind: "want"; readonly tab: string; readonly want: Want }
  | { readonly kind: "signed-out" };

export interface Election {
  /** This tab leads: it holds the connection until it resigns. */
  _lead(): void;
  /** Another tab leads, or this one is hidden while another is visible. */
  _resign(): void;
  _received(message: Message): void;
  /** Send the other tabs the state of the connection. */
  _heartbeat(): void;
}

export interface Tabs {
  _leads(): boolean;
  /** Whether this tab shares a connection with others, and so may have none. */
  readonly _shared: boolean;
  _start(): void;
  _stop(): void;
  /** Send the other tabs a message. */
  _post(message: Message): void;
  /** What this tab and the others want of the one stream: kinds of frames, and topics. */
  _wanted(own: Want): readonly [include: string, topics: string];
}

/** Milliseconds between two heartbeats of the leader. */
const HEARTBEAT_MS = 3_000;
/** Milliseconds of silence after which the leader is frozen, and another tab becomes the leader; up to a fifth more for each. */
const FROZEN_MS = 10_000;
/** Milliseconds for which a leader may be hidden while another tab is visible: users switch between tabs. */
const HIDDEN_MS = 5_000;
/** Milliseconds after which a tab says again what it wants. */
export const REPEAT_MS = 10_000;
/** Milliseconds after which a want lapses: its tab was closed or is frozen. */
const LAPSE_MS = 30_000;
/** Topics that a server accepts for one stream. Lists of further ones are current only when they are fetched. */
const MAX_TOPICS = 32;

/** The tabs of one user in one browser: one of them leads. Where the browser has no locks, each tab leads itself. */
export function createTabs(runtime: Runtime, name: string | undefined, election: Election): Tabs {
  const channel = name !== undefined && runtime.locks ? runtime.openChannel(name) : undefined;
  /** What the other tabs want, and until when. */
  const wants = new Map<string, readonly [Want, number]>();
  let leading = false;
  let stopped = false;
  let candidacy: AbortController | undefined;
  let release: (() => void) | undefined;
  let cancelWatch = (): void => undefined;
  let cancelHidden = (): void => undefined;
  let endPage = (): void => undefined;

  const others = (): readonly Want[] => {
    const now = runtime.now();
    for (const [tab, [, until]] of wants) if (until < now) wants.delete(tab);
    return [...wants.values()].map(([want]) => want);
  };
  const heartbeat = (): void => {
    if (!leading || !channel) return;
    election._heartbeat();
    cancelWatch = runtime.after(HEARTBEAT_MS, heartbeat);
  };
  const begin = (): void => {
    leading = true;
    cancelWatch();
    election._lead();
    heartbeat();
  };
  const end = (): void => {
    if (!leading) return;
    leading = false;
    cancelWatch();
    election._resign();
    release?.();
    release = undefined;
  };
  const withdraw = (): void => {
    const left = candidacy;
    candidacy = undefined;
    cancelWatch();
    end();
    left?.abort();
  };
  const watchLeader = (): void => {
    if (leading) return;
    cancelWatch();
    cancelWatch = runtime.after(FROZEN_MS * (1 + runtime.random() / 5), () => {
      if (candidacy && runtime.visible()) contend(true);
    });
  };
  /** Request to lead: now, or when the leader leaves. */
  const contend = (steal?: boolean): void => {
    if (stopped || (candidacy && !steal)) return;
    candidacy?.abort();
    const own = new AbortController();
    candidacy = own;
    const held = (): Promise<void> => {
      if (candidacy !== own) return Promise.resolve();
      begin();
      return new Promise((resolve) => (release = resolve));
    };
    runtime.locks?.request(name as string, steal ? { steal } : { signal: own.signal }, held).catch(() => {
      // It was taken from us while this tab was frozen, or the candidacy was left.
      if (candidacy !== own) return;
      candidacy = undefined;
      end();
      if (runtime.visible()) contend();
    });
    watchLeader();
  };
  /** A tab that cannot be seen leaves the candidacy to those that can. */
  const yieldIfHidden = (): void => {
    if (!runtime.visible() && (!leading || others().some((want) => want.visible))) withdraw();
  };
  const onPage = (event: PageEvent): void => {
    cancelHidden();
    if (event === "leave") withdraw();
    else if (event === "hidden") cancelHidden = runtime.after(HIDDEN_MS, yieldIfHidden);
    else contend();
  };
  return {
    _leads: () => leading,
    _shared: !!channel,
    _start() {
      if (!channel) return begin();
      channel.onmessage = ({ data }) => {
        const message = data as Message;
        const { kind } = message;
        if (kind === "state") watchLeader();
        if (kind === "want") wants.set(message.tab, [message.want, runtime.now() + LAPSE_MS]);
        election._received(message);
        if (kind === "want" && message.want.visible) yieldIfHidden();
      };
      endPage = runtime.watch(onPage);
      if (runtime.visible()) contend();
    },
    _stop() {
      endPage();
      cancelHidden();
      withdraw();
      channel?.close();
      stopped = true;
    },
    _post(message) {
      if (!stopped) channel?.postMessage(message);
    },
    _wanted(own) {
      const all = [own, ...others()];
      const union = (of: "include" | "topics"): string[] => [...new Set(all.flatMap((want) => want[of]))];
      return [union("include").sort().join(), union("topics").slice(0, MAX_TOPICS).sort().join()];
    },
  };
}
