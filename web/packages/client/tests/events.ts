/** A server with a log of events, over simulated HTTP: pages, groups and a stream of activity, as few rules as the client needs. */
import type { EventItem } from "../src/filters.js";
import type { VirtualTime } from "./runtime.js";

export class EventServer {
  readonly log: EventItem[] = [];
  private position = 0;
  private readonly streams = new Set<(text: string) => void>();
  /** Each request: its method and path, its query and its body. */
  readonly asked: {
    what: string;
    query: URLSearchParams;
    body: unknown;
    tag: string | null;
    authorization: string | null;
  }[] = [];

  constructor(private readonly time: VirtualTime) {}

  publish(verb: string, object_id: string, members: Partial<EventItem> = {}): EventItem {
    this.position += 1;
    const item: EventItem = {
      event_id: `e${String(this.position).padStart(6, "0")}`,
      position: this.position,
      actor_id: "ann",
      verb,
      object_type: "market",
      object_id,
      topics: [],
      created_at: new Date(this.time.now + this.position).toISOString(),
      actor_name: "Ann",
      object_title: null,
      metadata: {},
      ...members,
    };
    this.log.push(item);
    for (const send of this.streams) send(frame("activity", item, item.position));
    return item;
  }

  get streaming(): number {
    return this.streams.size;
  }

  paths(): string[] {
    return this.asked.map(({ what }) => what);
  }

  fetch = async (url: string, init: RequestInit): Promise<Response> => {
    const { pathname, searchParams: query } = new URL(url);
    const headers = new Headers(init.headers);
    const what = `${init.method} ${pathname}`;
    const tag = headers.get("if-none-match");
    const body: unknown = init.body && JSON.parse(String(init.body));
    this.asked.push({ what, query, body, tag, authorization: headers.get("authorization") });
    await new Promise<void>((resolve) => this.time.after(5, resolve));
    if (pathname.endsWith("/stream")) return this.stream(init.signal ?? undefined);
    if (init.method === "POST") return Response.json({ updated: 1, position: this.position, undo: "u1" });
    const text = JSON.stringify(query.get("group") ? this.groups() : this.page(query));
    const etag = `"${text.length}.${this.position}"`;
    return tag === etag ? new Response(null, { status: 304 }) : new Response(text, { headers: { etag } });
  };

  private page(query: URLSearchParams): object {
    const [cursor, limit] = [Number(query.get("cursor") ?? Number.POSITIVE_INFINITY), Number(query.get("limit") ?? 20)];
    const below = this.log.filter((item) => item.position < cursor).reverse();
    const wanted = below.filter(({ object_id }) => object_id === (query.get("object_id") ?? object_id));
    const items = wanted.slice(0, limit);
    const next_cursor = wanted.length > limit ? String(items.at(-1)?.position) : null;
    return { items, position: this.position, next_cursor, has_more: next_cursor !== null };
  }

  private groups(): object {
    const groups = new Map<string, EventItem[]>();
    for (const item of this.log) {
      const key = `${item.verb} ${item.object_id}`;
      groups.set(key, [item, ...(groups.get(key) ?? [])]);
    }
    const items = [...groups].map(([group_id, of]) => ({
      ...of[0],
      group_id,
      count: of.length,
      items: of.slice(0, 3),
      unread_count: of.length,
      read_at: null,
      window: { from: "2026-01-01T00:00:00.000Z", to: "2026-01-02T00:00:00.000Z" },
    }));
    return { items: items.reverse(), position: this.position, next_cursor: null };
  }

  private stream(signal: AbortSignal | undefined): Response {
    let send: (text: string) => void;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        send = (text) => controller.enqueue(new TextEncoder().encode(text));
        this.streams.add(send);
        send(frame("hello", { user_id: null, position: this.position, resumed: false }, this.position));
        signal?.addEventListener("abort", () => {
          this.streams.delete(send);
          controller.error(signal.reason);
        });
      },
      cancel: () => void this.streams.delete(send),
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  }
}

function frame(event: string, data: object, id: number): string {
  return `event: ${event}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`;
}
