import { beforeEach, describe, expect, test } from "vitest";
import { isAmong } from "../src/filters.js";
import { type Inbox, TidingsClient } from "../src/index.js";
import { Browser, type Tab } from "./browser.js";
import { seeded, VirtualTime } from "./runtime.js";
import { SimulatedServer } from "./server.js";

const OPTIONS = { url: "http://tidings.test", user: "u" };
const AT = "2026-01-01T00:00:00.000Z";

let time: VirtualTime;
let server: SimulatedServer;
let browser: Browser;
let tab: Tab;
let client: TidingsClient;
let sent: string[];

const ids = (inbox: Inbox): string[] => inbox.get().items.map((item) => item.id);

beforeEach(async () => {
  time = new VirtualTime();
  sent = [];
  server = new SimulatedServer(time, { delay: () => 20, fails: () => undefined });
  for (let n = 0; n < 6; n += 1) server.notify(`thing-${n}`, n % 2 ? "odd" : "even");
  browser = new Browser(time, seeded(1), (url, init) => {
    sent.push(`${init.method} ${new URL(url).pathname}`);
    return server.fetch(url, init);
  });
  tab = browser.open();
  client = new TidingsClient({ ...OPTIONS, runtime: tab });
  client.start();
  await time.run(1_000);
});

describe("a start", () => {
  test("fetches the inbox once, also when the stream begins before it has arrived", () => {
    expect(client.inbox.get().items).toHaveLength(6);
    expect(sent.filter((what) => what === "GET /v1/notifications")).toHaveLength(1);
  });
});

describe("a list of notifications", () => {
  test("has those of its filter, and its marks are shown in the inbox at once", async () => {
    const odd = client.notifications({ type: "odd", unread_only: true });
    expect(client.notifications({ unread_only: true, type: "odd" })).toBe(odd);
    odd.subscribe(() => undefined);
    await time.run(1_000);
    expect(ids(odd)).toEqual(["thing-5#6", "thing-3#4", "thing-1#2"]);
    const done = odd.markRead("thing-5#6");
    expect(ids(odd)).toEqual(["thing-3#4", "thing-1#2"]);
    expect(client.inbox.get()).toMatchObject({ unread_count: 5 });
    await Promise.all([done, time.run(1_000)]);
    expect(sent.filter((what) => what === "POST /v1/notifications/read")).toHaveLength(1);
    server.notify("new", "odd");
    server.notify("newer", "even");
    await time.run(1_000);
    expect(ids(odd)[0]).toBe("new#8");
    expect(client.inbox.get().items).toHaveLength(8);
  });

  test("of the archive loses what is brought back, and the inbox gets it", async () => {
    await Promise.all([client.inbox.archive("thing-2#3"), time.run(1_000)]);
    const archive = client.notifications({ state: "archived" });
    archive.subscribe(() => undefined);
    await time.run(1_000);
    expect(ids(archive)).toEqual(["thing-2#3"]);
    await Promise.all([archive.unarchive("thing-2#3"), time.run(1_000)]);
    expect(ids(archive)).toEqual([]);
    expect(ids(client.inbox)).toContain("thing-2#3");
  });

  test("keeps what arrives apart while it is held", async () => {
    client.inbox.hold(true);
    server.notify("new", "even");
    await time.run(1_000);
    expect(client.inbox.get()).toMatchObject({ unread_count: 7, fresh: [{ id: "new#7" }] });
    expect(client.inbox.get().items).toHaveLength(6);
    const done = client.inbox.markRead("new#7");
    expect(client.inbox.get().unread_count).toBe(6);
    await Promise.all([done, time.run(1_000)]);
    client.inbox.showFresh();
    expect(ids(client.inbox)[0]).toBe("new#7");
  });

  test.each([
    [{}, {}, true],
    [{}, { archived_at: AT }, false],
    [{ state: "archived" }, { archived_at: AT }, true],
    [{ state: "snoozed" }, { snoozed_until: AT }, true],
    [{ state: "pinned" }, {}, false],
    [{ state: "pinned" }, { pinned_at: AT }, true],
    [{ state: "pinned" }, { pinned_at: AT, archived_at: AT }, false],
    [{ state: "all" }, { archived_at: AT }, true],
    [{ type: { not: "even" } }, {}, false],
    [{ unread_only: true }, { read_at: AT }, false],
  ] as const)("of %j has %j: %s", (filter, members, expected) => {
    const [item] = client.notifications().get().items.slice(1);
    expect(isAmong(filter, { ...(item as NonNullable<typeof item>), ...members })).toBe(expected);
  });
});

describe("a user who signs out", () => {
  test("in a tab is forgotten by one that was away, when it is shown again", async () => {
    await time.run(2_000);
    const other = new TidingsClient({ ...OPTIONS, runtime: browser.open() });
    other.start();
    await time.run(2_000);
    tab.report("leave");
    browser.channels.clear(); // a page in the cache for "back" gets no messages
    other.signOut();
    await time.run(1_000);
    tab.report("restore");
    expect(client.inbox.get()).toMatchObject({ status: "empty", items: [], unread_count: 0 });
    expect(client.connectionState.get()).toEqual({ status: "stopped" });
  });

  test("sends nothing any more, and stores nothing", async () => {
    const archived = client.inbox.archive("thing-2#3").catch((error: unknown) => error);
    client.signOut();
    await time.run(1_000);
    expect(await archived).toBeUndefined();
    sent = [];
    const refused = client.inbox.markUnread("thing-1#2").catch((error: unknown) => error);
    expect(await refused).toMatchObject({ message: "The user has signed out" });
    await expect(client.request("/v1/feed")).rejects.toThrow("The user has signed out");
    await time.run(60_000);
    expect(sent).toEqual([]);
    expect(browser.items.getItem("tidings:http://tidings.test:u")).toBeNull();
  });
});

describe("a token", () => {
  test("that two requests find refused is fetched anew once", async () => {
    let tokens = 0;
    let valid = "Bearer t1";
    const other = new TidingsClient({
      ...OPTIONS,
      user: "v",
      token: () => `t${++tokens}`,
      runtime: new Browser(time, seeded(2), async (url, init) => {
        const credential = new Headers(init.headers).get("authorization");
        // The second response takes longer than the renewal of the first.
        await new Promise<void>((resolve) => time.after(url.includes("/v1/a") ? 500 : 10, resolve));
        return credential === valid ? Response.json({}) : new Response(null, { status: 401 });
      }).open(),
    });
    await Promise.all([other.request("/v1/a"), time.run(1_000)]);
    valid = "Bearer t2";
    await Promise.all([other.request("/v1/a"), other.request("/v1/b"), time.run(2_000)]);
    expect(tokens).toBe(2);
  });
});
