import type { ConnectionState } from "./connection.js";
import type { Channel, PageEvent, Runtime } from "./runtime.js";
import type { ServerEvent } from "./sse.js";
import type { Want } from "./wants.js";

/** What the tabs of one user send each other. */
export type Message =
  /** A frame that the leader received. */
  | { readonly kind: "frame"; readonly frame: ServerEvent }
  /** The leader's connection; sent at each change, and as a sign of life. */
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
  heard(message: Message): void;
  /** Tell the other tabs the state of the connection. */
  signOfLife(): void;
}

/** Milliseconds between two signs of life of the leader. */
const ALIVE_MS = 3_000;
/** Milliseconds of silence after which the leader is frozen, and another tab takes its place; up to a fifth more for each. */
const FROZEN_MS = 10_000;
/** Milliseconds for which a leader may be hidden while another tab is visible: users switch between tabs. */
const HIDDEN_MS = 5_000;

/** The tabs of one user in one browser: one of them leads. Where the browser has no locks, each tab leads itself. */
export class Tabs {
  private readonly channel: Channel | undefined;
  private leading = false;
  private stopped = false;
  private contest: AbortController | undefined;
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
      this.election.heard(message);
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

  /** A tab that cannot be seen leaves the contest to those that can. */
  private yieldIfHidden(): void {
    if (!this.runtime.visible() && (!this.leading || this.election.others())) this.withdraw();
  }

  /** Ask to lead: now, or when the leader leaves. */
  private contend(steal = false): void {
    if (this.contest && !steal) return;
    this.contest?.abort();
    const contest = new AbortController();
    this.contest = contest;
    const options = steal ? { steal: true } : { signal: contest.signal };
    const held = (): Promise<void> => {
      if (this.contest !== contest) return Promise.resolve();
      this.begin();
      return new Promise((resolve) => (this.release = resolve));
    };
    this.runtime.locks?.request(this.name ?? "", options, held).catch(() => {
      // It was taken from us while this tab was frozen, or the contest was left.
      if (this.contest !== contest) return;
      this.contest = undefined;
      this.end();
      if (this.runtime.visible()) this.contend();
    });
    this.watchLeader();
  }

  private withdraw(): void {
    const { contest } = this;
    this.contest = undefined;
    this.cancelWatch();
    this.end();
    contest?.abort();
  }

  private begin(): void {
    this.leading = true;
    this.cancelWatch();
    this.election.lead();
    this.signOfLife();
  }

  private end(): void {
    if (!this.leading) return;
    this.leading = false;
    this.cancelWatch();
    this.election.resign();
    this.release?.();
    this.release = undefined;
  }

  private signOfLife(): void {
    if (!this.leading || !this.channel) return;
    this.election.signOfLife();
    this.cancelWatch = this.runtime.after(ALIVE_MS, () => this.signOfLife());
  }

  private watchLeader(): void {
    if (this.leading) return;
    this.cancelWatch();
    this.cancelWatch = this.runtime.after(FROZEN_MS * (1 + this.runtime.random() / 5), () => {
      if (this.contest && this.runtime.visible()) this.contend(true);
    });
  }
}
