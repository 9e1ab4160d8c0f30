import { beforeEach, describe, expect, test } from "vitest";
import { TidingsClient } from "../src/index.js";
import { KEPT } from "../src/list.js";
import { EventServer } from "./events.js";
import { SimulatedRuntime, seeded, VirtualTime } from "./runtime.js";

const URL = "http://tidings.test";

let time: VirtualTime;
let server: EventServer;
let runtime: SimulatedRuntime;

const ids = (items: readonly { event_id?: string }[]): (string | undefined)[] => items.map((item) => item.event_id);
const newest = (count: number): string[] =>
  server.log
    .slice(-count)
    .reverse()
    .map((item) => item.event_id);

beforeEach(() => {
  time = new VirtualTime();
  server = new EventServer(time);
  runtime = new SimulatedRuntime(time, seeded(1), server.fetch);
});

describe("a visitor", () => {
  let client: TidingsClient;

  beforeEach(() => {
    client = new TidingsClient({ runtime, url: URL });
    client.start();
  });

  test("gets the stream of public activity without a credential, and asks for no inbox", async () => {
    server.publish("trade", "1");
    const activity = client.feed("activity");
    client.inbox.subscribe(() => undefined);
    activity.subscribe(() => undefined);
    await time.run(1_000);
    server.publish("trade", "2");
    await time.run(100);
    expect(ids(activity.get().items)).toEqual(newest(2));
    expect(client.connectionState.get()).toEqual({ status: "live", transport: "stream" });
    expect(new Set(server.paths())).toEqual(new Set(["GET /v1/activity", "GET /v1/activity/stream"]));
    for (const { query, authorization } of server.asked) {
      expect(authorization).toBeNull();
      for (const name of ["user_id", "include", "topic"]) expect(query.has(name)).toBe(false);
    }
  });

  test("gets that of topics, while nothing needs all", async () => {
    client.feed({ topic: "market:1" }).subscribe(() => undefined);
    await time.run(1_000);
    const streams = (): string[] =>
      server.asked.filter(({ what }) => what.endsWith("/stream")).map(({ query }) => query.toString());
    expect(streams()).toEqual(["topic=market%3A1"]);
    client.feed("activity").subscribe(() => undefined);
    await time.run(1_000);
    expect(streams()).toEqual(["topic=market%3A1", ""]);
  });

  test("has no connection while no list is shown", async () => {
    client.top().subscribe(() => undefined);
    await time.run(60_000);
    expect(new Set(server.paths())).toEqual(new Set(["GET /v1/top"]));
    expect(client.connectionState.get()).toEqual({ status: "paused" });
    const end = client.feed("activity").subscribe(() => undefined);
    await time.run(1_000);
    expect(server.streaming).toBe(1);
    end();
    await time.run(1_000);
    expect(server.streaming).toBe(0);
    expect(client.connectionState.get()).toEqual({ status: "paused" });
  });

  test("polls lists with the tag that they have, where no stream passes", async () => {
    client.stop();
    client = new TidingsClient({ runtime, url: URL, transports: ["list"] });
    client.feed("activity").subscribe(() => undefined);
    client.start();
    server.publish("trade", "1");
    await time.run(65_000);
    const lists = server.asked.filter(({ what }) => what === "GET /v1/activity");
    expect(lists.length).toBeGreaterThan(2);
    expect(lists.slice(2).every(({ tag }) => tag !== null)).toBe(true);
  });
});

describe("a list of events", () => {
  let client: TidingsClient;

  beforeEach(() => {
    client = new TidingsClient({ runtime, url: URL });
    client.start();
  });

  test(`keeps ${KEPT} items while new ones arrive, and fetches what fell off with the next page`, async () => {
    for (let n = 0; n < 100; n += 1) server.publish("trade", "old");
    const feed = client.feed("activity");
    feed.subscribe(() => undefined);
    await time.run(1_000);
    for (let n = 0; n < KEPT + 50; n += 1) server.publish("trade", "new");
    await time.run(1_000);
    expect(ids(feed.get().items)).toEqual(newest(KEPT));
    expect(feed.get().next_cursor).toBe("");
    await Promise.all([feed.loadMore(), time.run(1_000)]);
    expect(ids(feed.get().items)).toEqual(newest(600));
    await Promise.all([feed.loadMore(), time.run(1_000)]);
    expect(ids(feed.get().items)).toEqual(newest(650).slice(0, feed.get().items.length));
    server.publish("trade", "new");
    await time.run(100);
    expect(feed.get().items.length).toBeGreaterThanOrEqual(600);
  });

  test("keeps new items apart while it is held, also those of a refetch", async () => {
    for (let n = 0; n < 3; n += 1) server.publish("trade", "old");
    const feed = client.feed("activity");
    feed.subscribe(() => undefined);
    await time.run(1_000);
    feed.hold(true);
    server.publish("trade", "new");
    await time.run(100);
    await Promise.all([feed.refetch(), time.run(100)]);
    server.publish("trade", "newer");
    await time.run(100);
    expect(ids(feed.get().fresh)).toEqual(newest(2));
    expect(ids(feed.get().items)).toEqual(newest(5).slice(2));
    feed.showFresh();
    expect(ids(feed.get().items)).toEqual(newest(5));
    expect(feed.get().fresh).toEqual([]);
    feed.hold(false);
    server.publish("trade", "newest");
    await time.run(100);
    expect(ids(feed.get().items)).toEqual(newest(6));
  });

  test("is dropped when many others were used since, and returns when it is used again", async () => {
    const first = client.feed({ topic: "market:0" });
    for (let n = 1; n < 100; n += 1) client.feed({ topic: `market:${n}` });
    expect(client.feed({ topic: "market:99" })).toBe(client.feed({ topic: "market:99" }));
    first.subscribe(() => undefined);
    await time.run(1_000);
    server.publish("trade", "0");
    await time.run(100);
    expect(client.feed({ topic: "market:0" })).toBe(first);
    expect(ids(first.get().items)).toEqual(newest(1));
  });

  test("shows the events of a time alone", async () => {
    const feed = client.feed("activity", { from: "2026-01-01T01:00:00+01:00", to: "2026-01-01T00:00:30Z" });
    feed.subscribe(() => undefined);
    await time.run(1_000);
    server.publish("trade", "1");
    await time.run(60_000);
    server.publish("trade", "2");
    await time.run(100);
    expect(ids(feed.get().items)).toEqual(ids(server.log.slice(0, 1)));
    expect(server.asked[0]?.query.get("from")).toBe("2026-01-01T01:00:00+01:00");
  });
});

describe("groups", () => {
  let client: TidingsClient;

  beforeEach(async () => {
    client = new TidingsClient({ runtime, url: URL, user: "bob", transports: ["list"] });
    client.start();
    for (let n = 0; n < 120; n += 1) server.publish("trade", "1", { reason: { kind: "follow", topic: "market:1" } });
  });

  test("are fetched again a second after an event that belongs to one of them", async () => {
    const visitor = new TidingsClient({ runtime, url: URL });
    visitor.start();
    const groups = visitor.groups("activity", { verb: "trade" });
    expect(visitor.groups("activity", { verb: "trade" })).toBe(groups);
    groups.subscribe(() => undefined);
    await time.run(2_000);
    expect(groups.get().items.map(({ count }) => count)).toEqual([120]);
    const asked = server.asked.length;
    for (let n = 0; n < 10; n += 1) server.publish("trade", "2");
    server.publish("like", "3");
    await time.run(2_000);
    expect(server.asked.length).toBe(asked + 1);
    expect(groups.get().items.map(({ group_id, count }) => [group_id, count])).toContainEqual(["trade 2", 10]);
  });

  test("are read with all their events", async () => {
    const groups = client.groups("feed");
    groups.subscribe(() => undefined);
    await time.run(1_000);
    const [group] = groups.get().items;
    const done = groups.markRead(group as NonNullable<typeof group>);
    expect(groups.get().items[0]).toMatchObject({ unread_count: 0, read_at: expect.any(String) });
    await Promise.all([done, time.run(1_000)]);
    const marks = server.asked.filter(({ what }) => what === "POST /v1/feed/read");
    expect(marks.flatMap(({ body }) => (body as { event_ids: string[] }).event_ids)).toEqual(newest(120));
    const events = server.asked.find(({ query }) => query.get("from") !== null)?.query;
    expect(events?.get("verb")).toBe("trade");
    expect(events?.get("object_id")).toBe("1");
  });

  test("are all read up to what is shown", async () => {
    const groups = client.groups("feed");
    groups.subscribe(() => undefined);
    await time.run(1_000);
    const undo = await Promise.all([groups.readAll(), time.run(1_000)]).then(([first]) => first);
    expect(server.asked.find(({ what }) => what === "POST /v1/feed/read")?.body).toEqual({ all: true, up_to: 120 });
    await Promise.all([undo(), time.run(1_000)]);
    expect(server.asked.find(({ what }) => what === "POST /v1/feed/undo")?.body).toEqual({ undo: "u1" });
  });
});
