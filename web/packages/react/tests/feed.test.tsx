// @vitest-environment happy-dom
import { act, fireEvent, screen } from "@testing-library/react";
import type { EventItem } from "@tidings/client";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ActivityFeed, GlobalActivity, HideReadSwitch } from "../src/index.js";
import { element, refused, Stage } from "./stage.js";

let stage: Stage;
let items: EventItem[];
/** The queries of the feed. */
let queries: string[];

function event(n: number, members: Partial<EventItem> = {}): EventItem {
  return {
    event_id: `e${String(n).padStart(5, "0")}`,
    position: n,
    actor_id: "ann",
    actor_name: "Ann Lee",
    verb: "comment",
    object_type: "market",
    object_id: "7",
    object_title: "Will it rain?",
    topics: [],
    created_at: "2026-01-01T00:00:00Z",
    metadata: {},
    read_at: null,
    reason: { kind: "target", topic: null },
    ...members,
  };
}

beforeEach(() => {
  stage = new Stage();
  queries = [];
  items = [4, 3, 2, 1].map((n) => event(n, n < 3 ? { read_at: "2026-01-01T00:00:00Z" } : {}));
  stage.answer = (path, method, query) => {
    if (path === "/v1/feed/summary")
      return Response.json({ total: 0, unread_count: 0, read_count: 0, verbs: {}, recent: [] });
    if (method !== "GET" || !/feed|activity/.test(path)) return undefined;
    queries.push(String(query));
    const shown = query.get("read") === "false" ? items.filter((item) => item.read_at === null) : items;
    return Response.json({ items: shown, position: 4, next_cursor: null, has_more: false });
  };
});

afterEach(() => void vi.useRealTimers());

/** The frames of new events. */
function arrive(...numbers: number[]): void {
  const feed = stage.client.feed() as unknown as { _apply(event: string, data: EventItem): void };
  for (const n of numbers) feed._apply("activity", event(n));
}

const articles = (): HTMLElement[] => screen.queryAllByRole("article");

describe("a feed", () => {
  test("follows the feed pattern", async () => {
    await stage.show(<ActivityFeed />);
    const feed = screen.getByRole("feed", { name: "Activity" });
    expect(feed.getAttribute("aria-busy")).toBe("false");
    const places = articles().map((one) => [
      one.getAttribute("aria-posinset"),
      one.getAttribute("aria-setsize"),
      one.tabIndex,
    ]);
    expect(places).toEqual([1, 2, 3, 4].map((at) => [String(at), "4", 0]));
    articles()[0]?.focus();
    fireEvent.keyDown(feed, { key: "PageDown" });
    expect(document.activeElement).toBe(articles()[1]);
    fireEvent.keyDown(feed, { key: "PageUp" });
    expect(document.activeElement).toBe(articles()[0]);
  });

  test("is left with Control and End", async () => {
    await stage.show(
      <>
        <ActivityFeed />
        <a href="#after">after</a>
      </>,
    );
    articles()[0]?.focus();
    fireEvent.keyDown(screen.getByRole("feed"), { key: "End", ctrlKey: true });
    expect(document.activeElement?.textContent).toBe("after");
  });

  test("writes events by the phrase of their verb, or their own message", async () => {
    items = [event(2, { verb: "resolve_market", message: "Ann Lee resolved it" }), event(1), event(0, { verb: "joined" })];
    await stage.show(<ActivityFeed />, { phrases: { comment: "On {object}, {actor} said something" } });
    const texts = articles().map((one) => one.querySelector(".tidings-card__text, .tidings-opener")?.textContent);
    expect(texts).toEqual([
      "Ann Lee resolved it",
      "On Will it rain?, Ann Lee said something",
      "Ann Lee joined Will it rain?",
    ]);
  });

  test("holds back what arrives while the user reads further down, and shows it on demand", async () => {
    await stage.show(<ActivityFeed />);
    act(() => {
      stage.client.feed().hold(true);
      arrive(5, 6);
    });
    expect(articles().length).toBe(4);
    fireEvent.click(screen.getByRole("button", { name: "2 new" }));
    expect(articles().length).toBe(6);
    expect(document.querySelector(".tidings-pill")).toBeNull();
  });

  test("divides what is new from what was read, and keeps the line", async () => {
    await stage.show(<ActivityFeed />);
    const below = (): string | null | undefined =>
      screen.getByRole("separator").nextElementSibling?.getAttribute("aria-posinset");
    expect(below()).toBe("3");
    act(() => arrive(5));
    expect(below()).toBe("4");
  });

  test("hides what was read, by a request", async () => {
    await stage.show(<ActivityFeed />);
    fireEvent.click(screen.getByRole("switch", { name: "Hide read" }));
    await stage.run();
    expect(queries.at(-1)).toContain("read=false");
    expect(articles().length).toBe(2);
  });

  test("marks an event read when it is opened", async () => {
    await stage.show(<ActivityFeed />);
    fireEvent.click(element(".tidings-opener"));
    expect(document.querySelectorAll(".tidings-card--unread").length).toBe(1);
    await stage.run();
    expect(stage.sent).toEqual(["/v1/feed/read"]);
  });

  test("that cannot be loaded offers to try again", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const before = stage.answer;
    stage.answer = () => refused();
    await stage.show(<ActivityFeed />);
    expect(document.querySelector(".tidings-skeleton")).not.toBeNull();
    act(() => vi.advanceTimersByTime(10_000));
    stage.answer = before;
    fireEvent.click(screen.getByRole("button", { name: "Try again" }));
    await stage.run();
    expect(articles().length).toBe(4);
  });

  test("that was slow to load offers its next page, and no second attempt", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const before = stage.answer;
    stage.answer = () => refused();
    await stage.show(<ActivityFeed />);
    act(() => vi.advanceTimersByTime(10_000));
    stage.answer = (path, method, query) =>
      method === "GET" && path === "/v1/feed"
        ? Response.json({ items, position: 4, next_cursor: "next", has_more: true })
        : before?.(path, method, query);
    await act(() => Promise.all([stage.client.feed().refetch(), stage.time.run(1_000)]));
    expect(articles().length).toBe(4);
    expect(screen.queryByRole("alert")).toBeNull();
    expect(screen.getByRole("button", { name: "Load more" })).toBeTruthy();
  });

  test("has slots for its parts", async () => {
    await stage.show(<ActivityFeed title="News" renderText={(item) => `#${item.position}`} renderAvatar={() => "@"} />);
    expect(articles()[0]?.textContent).toContain("#4");
    expect(screen.getByRole("heading", { name: "News" })).toBeTruthy();
  });
});

test("the widget shows the newest public events", async () => {
  await stage.show(<GlobalActivity limit={3} />);
  expect(articles().length).toBe(3);
  expect(element(".tidings-connection").textContent).toBe("Live");
});

test("a switch says whether it is on", async () => {
  await stage.show(<HideReadSwitch on onChange={() => undefined} />);
  expect(screen.getByRole("switch").getAttribute("aria-checked")).toBe("true");
});
