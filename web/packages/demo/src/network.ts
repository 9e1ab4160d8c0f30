/** The network of the page, which the demo cuts to show what the client does then. Other tabs of the demo follow. */
import { browser, type Runtime } from "@tidings/client";
import { Value } from "./store.js";

export const MODES = {
  online: "Online",
  "no-streams": "No streams",
  lists: "Lists only",
  offline: "Offline",
} as const;
export type NetworkMode = keyof typeof MODES;

const CHANNEL = "tidings-demo:network";

/** What a mode cuts. */
function cuts(mode: NetworkMode, url: string): boolean {
  if (mode === "offline") return true;
  if (mode === "online") return false;
  const { pathname } = new URL(url, document.baseURI);
  return pathname.endsWith("/stream") || (mode === "lists" && pathname.endsWith("/poll"));
}

class Network {
  readonly mode = new Value<NetworkMode>("online");
  private readonly open = new Map<AbortController, string>();
  private readonly watchers = new Set<(event: "online") => void>();
  private readonly channel = browser.openChannel(CHANNEL);

  /** The surroundings of the client, with this network. */
  readonly runtime: Runtime = {
    ...browser,
    fetch: (url, init) => this.fetch(url, init),
    watch: (run) => {
      const end = browser.watch(run);
      this.watchers.add(run);
      return () => {
        end();
        this.watchers.delete(run);
      };
    },
  };

  constructor() {
    if (this.channel) this.channel.onmessage = ({ data }) => this.apply(data as NetworkMode);
  }

  set(mode: NetworkMode): void {
    this.channel?.postMessage(mode);
    this.apply(mode);
  }

  private apply(mode: NetworkMode): void {
    this.mode.set(mode);
    for (const [request, url] of this.open) if (cuts(mode, url)) request.abort(new TypeError("The demo cut the network"));
    if (mode === "online") for (const run of this.watchers) run("online");
  }

  private async fetch(url: string, init: RequestInit): Promise<Response> {
    if (cuts(this.mode.get(), url)) throw new TypeError("The demo cut the network");
    const request = new AbortController();
    this.open.set(request, url);
    const signal = init.signal ? AbortSignal.any([init.signal, request.signal]) : request.signal;
    const response = await fetch(url, { ...init, signal }).catch((error: unknown) => {
      this.open.delete(request);
      throw error;
    });
    if (!url.includes("/stream")) this.open.delete(request);
    init.signal?.addEventListener("abort", () => this.open.delete(request));
    return response;
  }
}

export const network = new Network();
