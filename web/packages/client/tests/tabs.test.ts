import { beforeEach, describe, expect, test, vi } from "vitest";
import { TidingsClient } from "../src/index.js";
import { Browser, type Tab } from "./browser.js";
import { seeded, VirtualTime } from "./runtime.js";
import { SimulatedServer } from "./server.js";

const TABS = 8;

let time: VirtualTime;
let server: SimulatedServer;
let browser: Browser;
let tabs: { tab: Tab; client: TidingsClient }[];

function open(user = "u"): { tab: Tab; client: TidingsClient } {
  const tab = browser.open();
  const client = new TidingsClient({ runtime: tab, url: "http://tidings.test", user });
  client.start();
  return { tab, client };
}

const messages = (client: TidingsClient): string[] => client.inbox.get().items.map((item) => item.message);

beforeEach(async () => {
  time = new VirtualTime();
  server = new SimulatedServer(time, { delay: () => 20, fails: () => undefined });
  browser = new Browser(time, seeded(1), server.fetch);
  tabs = Array.from({ length: TABS }, () => open());
  await time.run(1_000);
});

describe("the tabs of a browser", () => {
  test("hold one stream, and all are current", async () => {
    server.notify("thing", "a");
    await time.run(100);
    expect(server.streaming).toBe(1);
    for (const { client } of tabs) {
      expect(messages(client)).toEqual(["thing#1"]);
      expect(client.connectionState.get()).toMatchObject({ status: "live" });
    }
  });

  test("show in each what the user does in one", async () => {
    server.notify("thing", "a");
    await time.run(100);
    await Promise.all([tabs[3]?.client.inbox.readAll(), time.run(1_000)]);
    for (const { client } of tabs) expect(client.inbox.get().unread_count).toBe(0);
  });

  test("are live again within 15 seconds when the leader is frozen", async () => {
    tabs[0]?.tab.freeze();
    server.notify("thing", "a");
    await time.run(15_000);
    server.notify("other", "a");
    await time.run(200);
    for (const { client } of tabs.slice(1)) {
      expect(messages(client)).toEqual(["other#2", "thing#1"]);
      expect(client.connectionState.get()).toMatchObject({ status: "live" });
    }
    tabs[0]?.tab.thaw();
    await time.run(2_000);
    expect(messages(tabs[0]?.client as TidingsClient)).toEqual(["other#2", "thing#1"]);
    expect(server.streaming).toBe(1);
  });

  test("go on when the leader is hidden, and when it is closed", async () => {
    tabs[0]?.tab.report("hidden");
    await time.run(7_000);
    tabs[1]?.client.stop();
    await time.run(1_000);
    server.notify("thing", "a");
    await time.run(200);
    for (const { client } of tabs.slice(2)) expect(messages(client)).toEqual(["thing#1"]);
    expect(server.streaming).toBe(1);
  });

  test("forget the user together", async () => {
    server.notify("thing", "a");
    await time.run(3_000);
    expect(browser.items.getItem("tidings:http://tidings.test:u")).toContain("thing#1");
    tabs[5]?.client.signOut();
    await time.run(100);
    for (const { client } of tabs) {
      expect(client.inbox.get()).toMatchObject({ status: "empty", items: [], unread_count: 0 });
    }
    await time.run(5_000);
    expect(browser.items.getItem("tidings:http://tidings.test:u")).toBeNull();
    expect(server.streaming).toBe(0);
  });

  test("of two users share nothing", async () => {
    const other = open("v");
    await time.run(1_000);
    tabs[0]?.client.signOut();
    await time.run(100);
    expect(other.client.connectionState.get()).toMatchObject({ status: "live" });
    expect(server.streaming).toBe(1);
  });

  test("paint at first what an earlier one has stored", async () => {
    server.notify("thing", "a");
    await time.run(3_000);
    server.up = false;
    const { client } = open();
    expect(client.inbox.get()).toMatchObject({ status: "cached", unread_count: 1 });
    expect(messages(client)).toEqual(["thing#1"]);
  });

  test.each([
    '{"version":1}',
    '{"version":1,"inbox":{"items":{}},"feeds":{}}',
    '{"version":1,"inbox":{"items":[],"seq":0},"feeds":{"[\\"feed\\",[]]":{"items":1}}}',
    "[",
    "null",
  ])("ignore a storage with %s", async (text) => {
    browser.items.setItem("tidings:http://tidings.test:w", text);
    server.notify("thing", "a");
    const { client } = open("w");
    client.feed();
    await time.run(1_000);
    expect(messages(client)).toEqual(["thing#1"]);
    expect(client.connectionState.get()).toMatchObject({ status: "live" });
  });

  test("ask for what open tabs want, not for what closed ones wanted", async () => {
    for (let n = 0; n < 40; n += 1) {
      const { client } = open();
      client.feed({ topic: `market:${n}` }).subscribe(() => undefined);
      await time.run(100);
      if (n % 2) client.stop();
      else client.connectionState.subscribe(() => undefined);
    }
    await time.run(1_000);
    const wanted = (): string[] => (server.queries.at(-1)?.get("topic") ?? "").split(",");
    expect(wanted()).toEqual(Array.from({ length: 20 }, (_, n) => `market:${2 * n}`).sort());
    expect(server.streaming).toBe(1);
  });

  test("keep the stream when what they want of it stays the same", async () => {
    const { client } = tabs[0] as { client: TidingsClient };
    client.feed("activity", { verb: "like" }).subscribe(() => undefined);
    await time.run(1_000);
    expect(server.queries).toHaveLength(2);
    client.feed("activity", { verb: "comment" }).subscribe(() => undefined);
    tabs[1]?.client.feed("activity").subscribe(() => undefined);
    await time.run(1_000);
    expect(server.queries).toHaveLength(2);
    tabs[1]?.client.feed("feed").subscribe(() => undefined);
    await time.run(1_000);
    expect(server.queries.map((query) => query.get("include"))).toEqual([
      "notifications",
      "activity:all,notifications",
      "activity,activity:all,notifications",
    ]);
  });

  test("stay connected when a listener of the application throws", async () => {
    const client = tabs[0]?.client as TidingsClient;
    const reported = vi.spyOn(console, "error").mockReturnValue(undefined);
    client.onArrival(() => {
      throw new Error("a fault of the application");
    });
    server.notify("thing", "a");
    await time.run(1_000);
    server.notify("other", "a");
    await time.run(1_000);
    expect(messages(client)).toEqual(["other#2", "thing#1"]);
    expect(server.queries).toHaveLength(1);
    expect(reported).toHaveBeenCalledTimes(2);
    reported.mockRestore();
  });

  test("that are one keep the connection for half a minute after it is hidden", async () => {
    for (const { client } of tabs.slice(1)) client.stop();
    const { tab, client } = tabs[0] as { tab: Tab; client: TidingsClient };
    tab.report("hidden");
    await time.run(20_000);
    server.notify("thing", "a");
    await time.run(1_000);
    expect(messages(client)).toEqual(["thing#1"]);
    expect(client.connectionState.get()).toMatchObject({ status: "live" });
    await time.run(15_000);
    expect(client.connectionState.get()).toMatchObject({ status: "paused" });
    tab.report("visible");
    await time.run(1_000);
    expect(client.connectionState.get()).toMatchObject({ status: "live" });
  });

  test("pass the connection to one that is opened while the others are hidden", async () => {
    for (const { tab } of tabs) tab.report("hidden");
    await time.run(40_000);
    expect(server.streaming).toBe(0);
    const { client } = open();
    await time.run(2_000);
    expect(client.connectionState.get()).toMatchObject({ status: "live" });
    server.notify("thing", "a");
    await time.run(200);
    expect(messages(client)).toEqual(["thing#1"]);
  });

  test("are paused when they are opened in the background", async () => {
    const tab = browser.open();
    tab.shown = false;
    const client = new TidingsClient({ runtime: tab, url: "http://tidings.test", user: "w" });
    client.start();
    expect(client.connectionState.get()).toEqual({ status: "paused" });
    await time.run(1_000);
    tab.report("visible");
    await time.run(1_000);
    expect(client.connectionState.get()).toMatchObject({ status: "live" });
  });

  test("can be signed out after they were stopped", async () => {
    const { client } = tabs[0] as { client: TidingsClient };
    const end = client.feed("activity").subscribe(() => undefined);
    server.notify("thing", "a");
    await time.run(3_000);
    client.stop();
    end();
    client.signOut();
    expect(browser.items.getItem("tidings:http://tidings.test:u")).toBeNull();
    expect(messages(client)).toEqual([]);
  });

  test("stay signed out when the response to a mark arrives afterwards", async () => {
    const { client } = tabs[2] as { client: TidingsClient };
    server.notify("thing", "a");
    await time.run(1_000);
    void client.inbox.markRead(client.inbox.get().items[0]?.id as string);
    client.signOut();
    await time.run(10_000);
    expect(server.page(1).unread_count).toBe(0);
    expect(client.inbox.get()).toMatchObject({ status: "empty", items: [], unread_count: 0 });
  });

  test("show nothing of what was stored in a list that is opened after the user signed out", async () => {
    const first = open("w").client;
    first.feed("activity").subscribe(() => undefined);
    server.notify("thing", "a");
    await time.run(3_000);
    first.stop();
    const { client } = open("w");
    client.signOut();
    expect(client.feed("activity").get().status).toBe("empty");
  });
});
