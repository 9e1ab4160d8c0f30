import { beforeEach, describe, expect, test } from "vitest";
import { type RequestError, TidingsClient } from "../src/index.js";
import { SimulatedRuntime, seeded, VirtualTime } from "./runtime.js";
import { SimulatedServer } from "./server.js";

let time: VirtualTime;
let server: SimulatedServer;
let client: TidingsClient;
let sent: { method: string; path: string; body: unknown }[];
/** The paths of all lists that were fetched. */
let fetched: string[];
/** The response to a change instead of the server's. */
let refusal: (() => Response) | undefined;

const shown = (): { unread: number; read: boolean[] } => {
  const { unread_count: unread, items } = client.inbox.get();
  return { unread, read: items.map((item) => item.read_at !== null) };
};
const ids = (): string[] => client.inbox.get().items.map((item) => item.id);

beforeEach(async () => {
  time = new VirtualTime();
  sent = [];
  fetched = [];
  refusal = undefined;
  server = new SimulatedServer(time, { delay: () => 50, fails: () => undefined });
  for (let n = 0; n < 60; n += 1) server.notify(`thing-${n}`, n % 2 ? "odd" : "even");
  const runtime = new SimulatedRuntime(time, seeded(1), async (url, init) => {
    if (init.method === "GET") {
      fetched.push(new URL(url).pathname);
      return server.fetch(url, init);
    }
    sent.push({ method: String(init.method), path: new URL(url).pathname, body: JSON.parse(String(init.body)) });
    expect(init.keepalive).toBe(true);
    return refusal?.() ?? server.fetch(url, init);
  });
  client = new TidingsClient({ runtime, url: "http://tidings.test", user: "u" });
  client.start();
  await time.run(1_000);
});

describe("a mark", () => {
  test("is shown before the server has it", async () => {
    const done = client.inbox.markRead(...ids().slice(0, 2));
    expect(shown()).toMatchObject({ unread: 58 });
    expect(sent).toEqual([]);
    await time.run(1_000);
    await done;
    expect(shown()).toMatchObject({ unread: 58 });
  });

  test("is sent with those of the same tenth of a second, fifty at once", async () => {
    for (const _ of [1, 2]) await Promise.all([client.inbox.loadMore(), time.run(1_000)]);
    for (const id of ids()) void client.inbox.markRead(id);
    await time.run(1_000);
    expect(sent.map(({ path, body }) => [path, (body as { ids: string[] }).ids.length])).toEqual([
      ["/v1/notifications/read", 50],
      ["/v1/notifications/read", 10],
    ]);
    expect(shown()).toEqual({ unread: 0, read: Array.from({ length: 60 }, () => true) });
  });

  test("is taken back, and its caller gets the error, if the server refuses it", async () => {
    refusal = () =>
      Response.json(
        { type: "urn:tidings:problem:forbidden", title: "Forbidden", status: 403, detail: "not yours" },
        { status: 403 },
      );
    const refused = client.inbox.markRead(ids()[0] as string).catch((error: unknown) => error);
    expect(shown().unread).toBe(59);
    await time.run(1_000);
    expect((await refused) as RequestError).toMatchObject({
      status: 403,
      type: "urn:tidings:problem:forbidden",
      message: "not yours",
    });
    expect(shown()).toMatchObject({ unread: 60 });
    expect(sent).toHaveLength(1);
  });

  test("is repeated while the server fails, and taken back after the third time", async () => {
    refusal = () => new Response("down", { status: 503, headers: { "retry-after": "2" } });
    const refused = client.inbox.archive(ids()[0] as string).catch((error: unknown) => error);
    expect(client.inbox.get().items).toHaveLength(19);
    await time.run(10_000);
    expect(await refused).toMatchObject({ status: 503, retryAfterMs: 2_000 });
    expect(sent).toHaveLength(3);
    expect(client.inbox.get().items).toHaveLength(20);
  });

  test("of one list that no frame brings is fetched, while another list gets its own", async () => {
    const feed = client.feed();
    feed.subscribe(() => undefined);
    await time.run(1_000);
    fetched = [];
    refusal = () => Response.json({ updated: 1, position: 7 });
    void feed.markRead("1");
    await time.run(500);
    refusal = () => Response.json({ updated: 1, seq: server.seq + 1 });
    void client.inbox.markRead(ids()[0] as string);
    await time.run(500);
    server.notify("thing", "a");
    await time.run(4_000);
    expect(fetched).toContain("/v1/feed");
  });

  test("of another device does not undo one that is on its way", async () => {
    const [first, second] = ids() as [string, string];
    void client.inbox.markRead(first);
    server.set([second], (row) => ({ read_at: row.read_at ?? "2026-01-01T00:00:00.000Z" }));
    await time.run(60);
    expect(shown()).toMatchObject({ unread: 58 });
    await time.run(1_000);
    expect(shown()).toMatchObject({ unread: 58 });
  });
});

describe("a read-all", () => {
  test("reads what is shown, and not what arrives meanwhile", async () => {
    const done = client.inbox.readAll();
    expect(shown().unread).toBe(0);
    server.notify("late", "even");
    await time.run(1_000);
    await done;
    expect(shown()).toMatchObject({ unread: 1 });
    expect(shown().read.slice(0, 3)).toEqual([false, true, true]);
  });

  test("can be undone once", async () => {
    const done = client.inbox.readAll();
    await time.run(1_000);
    const undo = await done;
    await Promise.all([undo(), time.run(1_000)]);
    expect(shown()).toMatchObject({ unread: 60 });
    await Promise.all([undo(), time.run(1_000)]);
    expect(sent.map(({ path }) => path)).toEqual(["/v1/notifications/read-all", "/v1/notifications/undo"]);
  });
});
