import { beforeEach, describe, expect, test } from "vitest";
import { TidingsClient } from "../src/index.js";
import type { Preferences, Top, Topic } from "../src/schemas.js";
import { SimulatedRuntime, seeded, VirtualTime } from "./runtime.js";
import { namesUserTwice, unknownParameter } from "./server.js";

const TOP = { window: "1h", total: 1, items: [{ key: "market:1", count: 1 }] };

let time: VirtualTime;
let runtime: SimulatedRuntime;
let client: TidingsClient;
let asked: { what: string; tag: string | null; at: number; body: unknown }[];
/** The responses by method and path; others are empty pages. */
let replies: Record<string, () => unknown>;
let failing: boolean;

const gaps = (what: string): number[] => {
  const at = asked.filter((one) => one.what === what).map((one) => one.at);
  return at.slice(1).map((ms, n) => (ms - (at[n] as number)) / 1_000);
};
const within = (values: number[], low: number, high: number): void => {
  expect(values.length).toBeGreaterThan(0);
  for (const value of values) expect(value >= low && value <= high, `${values}`).toBe(true);
};

beforeEach(() => {
  time = new VirtualTime();
  asked = [];
  failing = false;
  replies = { "GET /v1/top": () => TOP };
  runtime = new SimulatedRuntime(time, seeded(3), async (url, init) => {
    const { pathname, search, searchParams } = new URL(url);
    const headers = new Headers(init.headers);
    const what = `${init.method} ${pathname}`;
    const tag = headers.get("if-none-match");
    asked.push({ what, tag, at: time.now, body: init.body && JSON.parse(String(init.body)) });
    await new Promise<void>((resolve) => time.after(20, resolve));
    if (namesUserTwice(pathname, searchParams)) return unknownParameter();
    if (failing) return Response.json({ title: "Unavailable" }, { status: 503 });
    if (/mutes|blocks/.test(what)) return new Response(null, { status: 204 });
    const body = JSON.stringify(replies[what]?.() ?? { items: [], search, next_cursor: null });
    const etag = `"${body}"`;
    return tag === etag ? new Response(null, { status: 304 }) : new Response(body, { headers: { etag } });
  });
  client = new TidingsClient({ runtime, url: "http://tidings.test", user: "ann/b" });
});

describe("a resource", () => {
  test("is one object for equal queries, fetched while it is subscribed to, and with the tag that it has", async () => {
    const top = client.top({ window: "1h", by: "object" });
    expect(client.top({ by: "object", window: "1h" })).toBe(top);
    expect(top.get()).toEqual({ data: undefined, error: undefined });
    await time.run(60_000);
    expect(asked).toEqual([]);
    let changes = 0;
    const end = top.subscribe(() => (changes += 1));
    await time.run(60_000);
    expect(top.get().data).toEqual(TOP);
    expect(changes).toBe(1);
    within(gaps("GET /v1/top"), 10, 11.1);
    expect(asked.slice(1).every(({ tag }) => tag === `"${JSON.stringify(TOP)}"`)).toBe(true);
    end();
    end();
    asked = [];
    await time.run(60_000);
    expect(asked).toEqual([]);
  });

  test("waits while the page is hidden, and is fetched when it is shown", async () => {
    client.top().subscribe(() => undefined);
    await time.run(1_000);
    runtime.report("hidden");
    await time.run(15_000);
    asked = [];
    await time.run(60_000);
    expect(asked).toEqual([]);
    runtime.report("visible");
    await time.run(100);
    expect(asked.map(({ what }) => what)).toEqual(["GET /v1/top"]);
  });

  test("keeps what it has while the server fails, asks more seldom, and comes back", async () => {
    const top = client.top();
    top.subscribe(() => undefined);
    await time.run(1_000);
    failing = true;
    await time.run(400_000);
    expect(top.get()).toMatchObject({ data: TOP, error: { status: 503 } });
    within(gaps("GET /v1/top").slice(-2), 80, 88.1);
    failing = false;
    await time.run(90_000);
    expect(top.get()).toEqual({ data: TOP, error: undefined });
  });

  test("shows nothing after the user has signed out, not even what was under way", async () => {
    const { preferences } = client;
    replies["GET /v1/preferences"] = () => ({ types: {}, locale: "pl" });
    preferences.subscribe(() => undefined);
    await time.run(1_000);
    expect(preferences.get().data?.locale).toBe("pl");
    void preferences.refetch();
    client.signOut();
    await time.run(10_000);
    expect(preferences.get().data).toBeUndefined();
  });
});

describe("what the user chooses", () => {
  const page = (): Topic | undefined => client.topic("market:1").get().data;

  beforeEach(async () => {
    const viewer = { user_id: "ann/b", follows: false, fan_out: null };
    replies["GET /v1/topics/market%3A1"] = () => ({ topic: "market:1", followers: 3, fan_out: "write", reason: "", viewer });
    client.topic("market:1").subscribe(() => undefined);
    await time.run(1_000);
    asked = [];
  });

  test("to follow is shown before the server has it, and taken back if it refuses it", async () => {
    const done = client.follow("market:1");
    expect(page()).toMatchObject({ followers: 4, viewer: { follows: true } });
    await Promise.all([done, time.run(1_000)]);
    expect(asked[0]).toMatchObject({ what: "PUT /v1/users/ann%2Fb/follows/market%3A1" });
    expect(page()).toMatchObject({ followers: 4, viewer: { follows: true } });
    await Promise.all([client.unfollow("market:1"), time.run(1_000)]);
    expect(page()).toMatchObject({ followers: 3, viewer: { follows: false } });
    failing = true;
    const refused = client.follow("market:1").catch((error: unknown) => error);
    await time.run(30_000);
    expect(await refused).toMatchObject({ status: 503 });
    expect(page()).toMatchObject({ followers: 3, viewer: { follows: false } });
  });

  test("to mute and to block goes to the routes of the user, and brings the lists up to date", async () => {
    await Promise.all([client.mute("market:1"), time.run(1_000)]);
    await Promise.all([client.unblock("bob"), time.run(1_000)]);
    expect(asked.map(({ what }) => what)).toEqual([
      "PUT /v1/users/ann%2Fb/mutes/market%3A1",
      "GET /v1/notifications",
      "DELETE /v1/users/ann%2Fb/blocks/bob",
      "GET /v1/notifications",
    ]);
  });

  test("as preferences is what the server made of it", async () => {
    const preferences: Partial<Preferences> = { locale: "pl", digest_s: 0 };
    replies["GET /v1/preferences"] = () => preferences;
    replies["PATCH /v1/preferences"] = () => ({ ...preferences, locale: "lt" });
    client.preferences.subscribe(() => undefined);
    await time.run(1_000);
    await Promise.all([client.setPreferences({ locale: "lt" }), time.run(1_000)]);
    expect(asked.at(-1)).toMatchObject({ what: "PATCH /v1/preferences", body: { locale: "lt" } });
    expect(client.preferences.get().data).toEqual({ locale: "lt", digest_s: 0 });
  });

  test("before the first response is not lost, nor is that response", async () => {
    replies["GET /v1/preferences"] = replies["PATCH /v1/preferences"] = () => ({ locale: "lt" });
    const saved = client.setPreferences({ locale: "lt" });
    client.preferences.subscribe(() => undefined);
    await Promise.all([saved, time.run(1_000)]);
    expect(client.preferences.get().data).toEqual({ locale: "lt" });
    const followed = () => client.topic("market:2").get().data?.viewer?.follows;
    replies["GET /v1/topics/market%3A2"] = () => ({ topic: "market:2", followers: 1, viewer: { follows: true } });
    const done = client.follow("market:2");
    client.topic("market:2").subscribe(() => undefined);
    await Promise.all([done, time.run(1_000)]);
    expect(followed()).toBe(true);
  });

  test("needs the option user where the path names the user", async () => {
    const visitor = new TidingsClient({ runtime, url: "http://tidings.test" });
    await expect(visitor.mute("market:1")).rejects.toThrow("the option user is needed");
    expect(visitor.top({ window: "5m" }).get().data satisfies Top | undefined).toBeUndefined();
  });
});
