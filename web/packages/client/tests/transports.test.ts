import { beforeEach, describe, expect, test } from "vitest";
import { type ConnectionState, TidingsClient } from "../src/index.js";
import { SimulatedRuntime, seeded, VirtualTime } from "./runtime.js";
import { SimulatedServer } from "./server.js";

let time: VirtualTime;
let server: SimulatedServer;
let runtime: SimulatedRuntime;
let client: TidingsClient;
/** Paths that something between client and server does not let through. */
let blocked: string[];
let asked: { path: string; at: number }[];
let states: ConnectionState[];

const transport = (): string | undefined => client.connectionState.get().transport;
const times = (path: string): number[] => asked.filter((one) => one.path === path).map((one) => one.at);
const gaps = (path: string): number[] => {
  const at = times(path);
  return at.slice(1).map((ms, n) => Math.round((ms - (at[n] as number)) / 1_000));
};

beforeEach(() => {
  time = new VirtualTime();
  blocked = [];
  asked = [];
  states = [];
  server = new SimulatedServer(time, { delay: () => 10, fails: () => undefined });
  runtime = new SimulatedRuntime(time, seeded(1), (url, init) => {
    const path = new URL(url).pathname.split("/").at(-1) as string;
    asked.push({ path, at: time.now });
    return blocked.includes(path) ? Promise.reject(new TypeError("blocked")) : server.fetch(url, init);
  });
  client = new TidingsClient({ runtime, url: "http://tidings.test", user: "u" });
  client.connectionState.subscribe(() => states.push(client.connectionState.get()));
  client.start();
});

describe("the connection", () => {
  test("falls back to polls after three streams that fail, and returns when they pass again", async () => {
    await time.run(1_000);
    blocked = ["stream"];
    server.cut();
    await time.run(30_000);
    expect(client.connectionState.get()).toEqual({ status: "polling", transport: "poll" });
    expect(times("stream").slice(0, 3)).toHaveLength(3);
    server.notify("thing", "a");
    await time.run(5_000);
    expect(client.inbox.get().unread_count).toBe(1);
    blocked = [];
    await time.run(61_000);
    expect(client.connectionState.get()).toEqual({ status: "live", transport: "stream" });
  });

  test("falls back to lists where polls fail too, every 30 seconds, and every 10 after the user was active", async () => {
    await time.run(1_000);
    blocked = ["stream", "poll"];
    server.cut();
    await time.run(40_000);
    expect(transport()).toBe("list");
    server.notify("thing", "a");
    await time.run(31_000);
    expect(client.inbox.get().unread_count).toBe(1);
    client.active();
    asked = [];
    await time.run(55_000);
    expect(gaps("notifications").slice(1)).toContain(10);
    expect(asked.filter((one) => one.path === "notifications").length).toBeLessThan(8);
  });

  test.each([
    ["blocked", undefined],
    ["not wanted", ["list"] as const],
  ])("fetches lists each minute after five minutes in which the others are %s", async (_, transports) => {
    client.stop();
    blocked = ["stream", "poll"];
    client = new TidingsClient({ runtime, url: "http://tidings.test", user: "u", ...(transports && { transports }) });
    client.start();
    await time.run(400_000);
    client.connectionState.subscribe(() => states.push(client.connectionState.get()));
    asked = [];
    states = [];
    await time.run(200_000);
    expect(gaps("notifications")).toEqual([60, 60]);
    expect(states.filter((state) => state.error !== undefined)).toEqual([]);
  });

  test("stays stopped when a list arrives afterwards", async () => {
    const lists = new TidingsClient({ runtime, url: "http://tidings.test", user: "u", transports: ["list"] });
    lists.start();
    await time.run(5);
    lists.stop();
    await time.run(1_000);
    expect(lists.connectionState.get()).toEqual({ status: "stopped" });
  });

  test("shows by lists what changed without a seq", async () => {
    server.notify("thing", "a");
    await time.run(1_000);
    blocked = ["stream", "poll"];
    server.cut();
    await time.run(40_000);
    server.rename("a new name");
    await time.run(31_000);
    expect(client.inbox.get().items[0]?.message).toBe("a new name");
  });

  test("waits longer after each failure, at random, and never over half a minute", async () => {
    await time.run(1_000);
    server.up = false;
    server.cut();
    await time.run(600_000);
    const waits = states.flatMap((state) => (state.status === "waiting" ? [(state.retryAt as number) - time.now] : []));
    expect(waits.length).toBeGreaterThan(15);
    expect(Math.max(...gaps("stream").slice(0, 2))).toBeLessThanOrEqual(2);
    expect(Math.max(...gaps("stream"))).toBeLessThanOrEqual(31);
    server.up = true;
    await time.run(36_000);
    expect(client.connectionState.get()).toEqual({ status: "live", transport: "stream" });
  });

  test("tries the best transport first again when all have failed, so that it is live soon after the server is back", async () => {
    for (const away of [3_000, 10_000, 20_000, 60_000]) {
      server.up = false;
      server.cut();
      await time.run(away);
      server.up = true;
      await time.run(36_000);
      expect(client.connectionState.get(), `${away} ms`).toEqual({ status: "live", transport: "stream" });
      await time.run(120_000);
    }
  });

  test("goes on with polls where the cookie of a WebSocket is refused", async () => {
    await time.run(1_000);
    const { fetch } = server;
    server.fetch = (url, init) =>
      url.includes("/v1/session") ? Promise.resolve(new Response(null, { status: 403 })) : fetch(url, init);
    blocked = ["stream"];
    server.cut();
    await time.run(30_000);
    expect(client.connectionState.get()).toEqual({ status: "polling", transport: "poll" });
  });

  test("is closed half a minute after the page is hidden, and catches up when it is shown", async () => {
    await time.run(1_000);
    runtime.report("hidden");
    await time.run(29_000);
    expect(server.streaming).toBe(1);
    await time.run(2_000);
    expect(server.streaming).toBe(0);
    expect(client.connectionState.get()).toEqual({ status: "paused" });
    server.notify("thing", "a");
    await time.run(600_000);
    expect(client.inbox.get().unread_count).toBe(0);
    runtime.report("visible");
    await time.run(1_000);
    expect(client.inbox.get().unread_count).toBe(1);
    expect(client.connectionState.get()).toEqual({ status: "live", transport: "stream" });
  });

  test("is closed at once when the page is left, and returns with it", async () => {
    await time.run(1_000);
    runtime.report("leave");
    await time.run(100);
    expect(server.streaming).toBe(0);
    runtime.report("restore");
    await time.run(500);
    expect(server.streaming).toBe(1);
  });

  test("notices a server that sends nothing any more", async () => {
    await time.run(1_000);
    server.silent = true;
    await time.run(51_000);
    expect(states.some((state) => state.error === "the server sends nothing")).toBe(true);
  });

  test("fetches after a reset of many clients when its own time has come", async () => {
    await time.run(1_000);
    asked = [];
    server.reset(7_000);
    await time.run(6_900);
    expect(times("notifications")).toEqual([]);
    await time.run(300);
    expect(times("notifications")).toHaveLength(1);
    expect(client.connectionState.get()).toEqual({ status: "live", transport: "stream" });
  });

  test("stops when the credential is refused, and says why", async () => {
    await time.run(1_000);
    server.fetch = () => Promise.resolve(Response.json({ detail: "expired" }, { status: 401 }));
    server.cut();
    await time.run(5_000);
    expect(client.connectionState.get()).toEqual({ status: "stopped", error: "expired" });
    asked = [];
    await time.run(600_000);
    expect(asked).toEqual([]);
  });
});

describe("a token", () => {
  test("is fetched once, and again when it is refused", async () => {
    let tokens = 0;
    const seen: (string | null)[] = [];
    const own = new SimulatedRuntime(time, seeded(2), (url, init) => {
      const token = new Headers(init.headers).get("authorization");
      seen.push(token);
      if (token !== `Bearer ${server.seq > 0 ? "t2" : "t1"}`) return Promise.resolve(new Response(null, { status: 401 }));
      return server.fetch(url, init);
    });
    const other = new TidingsClient({ runtime: own, url: "http://tidings.test", user: "u", token: () => `t${++tokens}` });
    other.start();
    await time.run(1_000);
    server.notify("thing", "a");
    server.cut();
    await time.run(5_000);
    expect(tokens).toBe(2);
    expect(other.inbox.get().unread_count).toBe(1);
    expect(new Set(seen)).toEqual(new Set(["Bearer t1", "Bearer t2"]));
  });
});
