import type { ConnectionState } from "./connection.js";
import type { Channel, PageEvent, Runtime } from "./runtime.js";
import type { ServerEvent } from "./sse.js";
import type { Want } from "./wants.js";

/** What the tabs of one user send each other. */
export type Message =
  /** A frame that the leader received. */
  | { readonly kind: "frame"; readonly frame: ServerEvent }
  /** The leader's connection; sent at each change, and as a heartbeat. */
  | { readonly kind: "state"; readonly leader: string; readonly state: ConnectionState }
  /** The leader polled the lists: the others do the same. */
  | { readonly kind: "poll" }
  /** What a tab wants of the stream, and whether it wants it still. */
  | { readonly kind: "want"; readonly tab: string; readonly want: Want }
  | { readonly kind: "signed-out" };

export interface Election {
  /** This tab leads: it holds the connection until `resign` is called. */
  lead(): void;
  /** Another tab leads, or this one is hidden while another is visible. */
  resign(): void;
  /** Whether another tab is visible. */
  others(): boolean;
  received(message: Message): void;
  /** Send the other tabs the state of the connection. */
  heartbeat(): void;
}

/** Milliseconds between two heartbeats of the leader. */
const HEARTBEAT_MS = 3_000;
/** Milliseconds of silence after which the leader is frozen, and another tab becomes the leader; up to a fifth more for each. */
const FROZEN_MS = 10_000;
/** Milliseconds for which a leader may be hidden while another tab is visible: users switch between tabs. */
const HIDDEN_MS = 5_000;

/** The tabs of one user in one browser: one of them leads. Where the browser has no locks, each tab leads itself. */
export class Tabs {
  private readonly channel: Channel | undefined;
  private leading = false;
  private stopped = false;
  private candidacy: AbortController | undefined;
  private release: (() => void) | undefined;
  private cancelWatch = (): void => undefined;
  private endPage = (): void => undefined;

  constructor(
    private readonly runtime: Runtime,
    private readonly name: string | undefined,
    private readonly election: Election,
  ) {
    const shared = name !== undefined && runtime.locks !== undefined;
    this.channel = shared ? runtime.openChannel(name) : undefined;
  }

  get leads(): boolean {
    return this.leading;
  }

  start(): void {
    if (!this.channel) {
      this.begin();
      return;
    }
    this.channel.onmessage = ({ data }) => {
      const message = data as Message;
      if (message.kind === "state") this.watchLeader();
      this.election.received(message);
      if (message.kind === "want" && message.want.visible) this.yieldIfHidden();
    };
    this.endPage = this.runtime.watch((event) => this.page(event));
    if (this.runtime.visible()) this.contend();
  }

  stop(): void {
    this.endPage();
    this.withdraw();
    this.channel?.close();
    this.stopped = true;
  }

  /** Send the other tabs a message. */
  post(message: Message): void {
    if (!this.stopped) this.channel?.postMessage(message);
  }

  /** Whether this tab shares a connection with others, and so may have none. */
  get shared(): boolean {
    return this.channel !== undefined;
  }

  private page(event: PageEvent): void {
    if (event === "leave") this.withdraw();
    else if (event === "hidden") this.runtime.after(HIDDEN_MS, () => this.yieldIfHidden());
    else this.contend();
  }

  /** A tab that cannot be seen leaves the candidacy to those that can. */
  private yieldIfHidden(): void {
    if (!this.runtime.visible() && (!this.leading || this.election.others())) this.withdraw();
  }

  /** Request to lead: now, or when the leader leaves. */
  private contend(steal = false): void {
    if (this.candidacy && !steal) return;
    this.candidacy?.abort();
    const candidacy = new AbortController();
    this.candidacy = candidacy;
    const options = steal ? { steal: true } : { signal: candidacy.signal };
    const held = (): Promise<void> => {
      if (this.candidacy !== candidacy) return Promise.resolve();
      this.begin();
      return new Promise((resolve) => (this.release = resolve));
    };
    this.runtime.locks?.request(this.name ?? "", options, held).catch(() => {
      // It was taken from us while this tab was frozen, or the candidacy was left.
      if (this.candidacy !== candidacy) return;
      this.candidacy = undefined;
      this.end();
      if (this.runtime.visible()) this.contend();
    });
    this.watchLeader();
  }

  private withdraw(): void {
    const { candidacy } = this;
    this.candidacy = undefined;
    this.cancelWatch();
    this.end();
    candidacy?.abort();
  }

  private begin(): void {
    this.leading = true;
    this.cancelWatch();
    this.election.lead();
    this.heartbeat();
  }

  private end(): void {
    if (!this.leading) return;
    this.leading = false;
    this.cancelWatch();
    this.election.resign();
    this.release?.();
    this.release = undefined;
  }

  private heartbeat(): void {
    if (!this.leading || !this.channel) return;
    this.election.heartbeat();
    this.cancelWatch = this.runtime.after(HEARTBEAT_MS, () => this.heartbeat());
  }

  private watchLeader(): void {
    if (this.leading) return;
    this.cancelWatch();
    this.cancelWatch = this.runtime.after(FROZEN_MS * (1 + this.runtime.random() / 5), () => {
      if (this.candidacy && this.runtime.visible()) this.contend(true);
    });
  }
}
