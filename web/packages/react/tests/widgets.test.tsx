// @vitest-environment happy-dom
import { act, fireEvent, screen, within } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { FollowButton, InboxPage, PreferencesPanel, SummaryHeader, Toaster, TopList, TrendChart } from "../src/index.js";
import { element, refused, Stage } from "./stage.js";

let stage: Stage;

beforeEach(() => {
  stage = new Stage();
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const PREFERENCES = { types: { "*": { email: false } }, quiet_hours: null, locale: "en", digest_s: 0, muted_topics: [] };

/** Let the server respond to one path with JSON. */
function serves(path: string, body: unknown, other?: Stage["answer"]): void {
  stage.answer = (asked, method, query) =>
    asked === path && method === "GET" ? Response.json(body) : other?.(asked, method, query);
}

describe("preferences", () => {
  const types = [
    { type: "comment", label: "Comments" },
    { type: "security", label: "Security", critical: true },
  ];
  const email = (): HTMLElement => screen.getByRole("switch", { name: "Comments: E-mail" });

  test("show what applies to each type and channel", async () => {
    serves("/v1/preferences", PREFERENCES);
    await stage.show(<PreferencesPanel types={types} />);
    expect(email().getAttribute("aria-checked")).toBe("false"); // by "*"
    expect(screen.getByRole("switch", { name: "Comments: Push" }).getAttribute("aria-checked")).toBe("true");
    const row = screen.getByRole("row", { name: /Security/ });
    expect(within(row).queryAllByRole("switch")).toEqual([]);
  });

  test("are saved at once, and taken back if the server refuses it", async () => {
    let accept = true;
    serves("/v1/preferences", PREFERENCES, (path) =>
      path !== "/v1/preferences"
        ? undefined
        : accept
          ? Response.json({ ...PREFERENCES, types: { ...PREFERENCES.types, comment: { email: true } } })
          : refused(),
    );
    await stage.show(<PreferencesPanel types={types} />);
    fireEvent.click(email());
    expect(email().getAttribute("aria-checked")).toBe("true");
    await stage.run();
    expect([email().getAttribute("aria-checked"), element("[aria-live]").textContent]).toEqual(["true", "Saved"]);
    accept = false;
    fireEvent.click(email());
    expect(email().getAttribute("aria-checked")).toBe("false");
    await stage.run();
    expect(email().getAttribute("aria-checked")).toBe("true");
  });

  test("begin quiet hours in the time zone of the browser", async () => {
    serves("/v1/preferences", PREFERENCES, (path) => (path === "/v1/preferences" ? Response.json(PREFERENCES) : undefined));
    await stage.show(<PreferencesPanel types={types} />);
    fireEvent.click(screen.getByRole("switch", { name: "Quiet hours" }));
    expect(screen.getByLabelText<HTMLInputElement>("From").value).toBe("22:00");
    await stage.run();
  });
});

test("a list of trends has bars and moves", async () => {
  const item = (key: string, count: number, rank: number | null): object => ({ key, count, previous: { count: 1, rank } });
  serves("/v1/top", { total: 9, items: [item("market:a", 5, 3), item("market:b", 3, 1), item("market:c", 1, null)] });
  await stage.show(<TopList />);
  const rows = screen.getAllByRole("listitem");
  expect(rows.map((row) => row.querySelector(".tidings-top__label")?.textContent)).toEqual(["a", "b", "c"]);
  expect(rows.map((row) => row.querySelector(".tidings-hidden")?.textContent)).toEqual([
    "Up 2 places",
    "Down 1 place",
    "New in the list",
  ]);
  expect(rows.map((row) => row.querySelector("rect:last-child")?.getAttribute("width"))).toEqual(["100%", "60%", "20%"]);
  expect(document.body.innerHTML).not.toContain("style=");
});

test("a chart draws its points and names their sum", async () => {
  const asked: string[] = [];
  stage.answer = (path) => void asked.push(path);
  await stage.show(<TrendChart points={[0, 4, 2]} />);
  expect(screen.getByRole("img", { name: "6 events" })).toBeTruthy();
  expect(element(".tidings-chart__line").getAttribute("d")).toBe("M0.0,80.0 L150.0,4.0 L300.0,42.0");
  expect(asked).not.toContain("/v1/top/series"); // it has its points
});

test("trends that the server refuses say so, in place of a count", async () => {
  stage.answer = (path) => (path.startsWith("/v1/top") ? refused() : undefined);
  await stage.show(
    <>
      <TopList />
      <TrendChart />
    </>,
  );
  expect(element(".tidings-top .tidings-failed").textContent).toMatch(/not be loaded/);
  expect(element(".tidings-chart").textContent).toMatch(/not be loaded/);
  expect(element(".tidings-chart").textContent).not.toContain("0 events");
});

describe("toasts", () => {
  test("show what arrives, a bounded number at once", async () => {
    await stage.show(<Toaster most={2} ms={60_000} />);
    for (const thing of ["a", "b", "c"]) stage.server.notify(thing, "comment");
    await stage.run();
    const toasts = [...document.querySelectorAll(".tidings-toast")].map((one) => one.textContent);
    expect(toasts).toEqual(["1 new notification", "Cc#3", "Cb#2"]);
    fireEvent.click(screen.getAllByRole("button", { name: "Close" })[0] as HTMLElement);
    expect(document.querySelectorAll(".tidings-toast").length).toBe(2);
  });

  test("go after their time, also when one of them was closed from the keyboard", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    await stage.show(<Toaster ms={6_000} />);
    for (const thing of ["a", "b"]) stage.server.notify(thing, "comment");
    await stage.run();
    const [close] = screen.getAllByRole("button", { name: "Close" });
    fireEvent.focus(close as HTMLElement);
    act(() => vi.advanceTimersByTime(20_000));
    expect(document.querySelectorAll(".tidings-toast").length).toBe(2); // the focus is on it
    fireEvent.click(close as HTMLElement); // browsers report no blur of what is removed
    expect(document.querySelectorAll(".tidings-toast").length).toBe(1);
    act(() => vi.advanceTimersByTime(6_000));
    expect(document.querySelector(".tidings-toast")).toBeNull();
  });

  test("are shown for their own time, paused while the focus is in one of them", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    await stage.show(<Toaster ms={6_000} />);
    const pass = async (ms: number): Promise<void> => act(async () => void (await vi.advanceTimersByTimeAsync(ms)));
    const shown = (): (string | undefined)[] =>
      [...document.querySelectorAll(".tidings-toast__text")].map((one) => one.textContent?.slice(0, 1));
    const arrives = async (thing: string): Promise<void> => {
      stage.server.notify(thing, "comment");
      await stage.run();
    };
    await arrives("a");
    await pass(4_000);
    await arrives("b");
    await pass(2_500);
    expect(shown()).toEqual(["b"]);
    await arrives("c");
    const close = (): HTMLElement => screen.getAllByRole("button", { name: "Close" })[0] as HTMLElement;
    act(() => close().focus());
    await pass(60_000);
    expect(shown()).toEqual(["c", "b"]);
    fireEvent.click(close());
    await pass(10);
    expect([shown(), document.activeElement]).toEqual([["b"], close()]);
    fireEvent.click(close());
    await pass(10);
    await arrives("d");
    await pass(6_500);
    expect(shown()).toEqual([]);
  });

  test("do not show marks", async () => {
    stage.server.notify("a", "comment");
    await stage.show(<Toaster ms={60_000} />);
    stage.server.set(["a#1"], () => ({ pinned_at: "2026-01-01T00:00:00Z" }));
    await stage.run();
    expect(document.querySelector(".tidings-toast")).toBeNull();
  });
});

test("a follow is shown at once and taken back if it fails", async () => {
  const topic = { topic: "market:7", followers: 3, viewer: { user_id: "u", follows: false, fan_out: null } };
  serves("/v1/topics/market%3A7", topic, (path) => (path.endsWith("/follows/market%3A7") ? refused() : undefined));
  await stage.show(<FollowButton topic="market:7" label="Will it rain?" />);
  const button = (): HTMLElement => screen.getByRole("button", { name: /: Will it rain\?$/ });
  expect([button().textContent, button().getAttribute("aria-pressed")]).toEqual(["Follow", "false"]);
  expect(button().getAttribute("aria-label")).toBe("Follow: Will it rain?");
  fireEvent.click(button());
  expect(button().getAttribute("aria-pressed")).toBe("true");
  expect(button().getAttribute("aria-label")).toBe(`${button().textContent}: Will it rain?`); // has what it shows
  await stage.run();
  expect(button().getAttribute("aria-pressed")).toBe("false");
  expect(element("[aria-live]").textContent).toContain("taken back");
});

test("the summary counts by verb", async () => {
  serves("/v1/feed/summary", { total: 12, unread_count: 2, read_count: 10, verbs: { comment: 9, like: 3 }, recent: [] });
  await stage.show(<SummaryHeader verbs={{ like: "likes" }} />);
  expect(element(".tidings-summary").textContent).toBe("12 events2 unreadcomment 9likes 3");
});

test("the page of the inbox has what is archived, and brings it back", async () => {
  stage.server.notify("a", "comment");
  const archived = { ...stage.server.page(1).items[0], id: "old#1", message: "old#1", archived_at: "2026-01-01T00:00:00Z" };
  let items = [archived];
  stage.answer = (path, method, query) => {
    if (query.get("state") === "archived") return Response.json({ ...stage.server.page(0), items });
    if (method !== "POST" || !path.endsWith("/unarchive")) return undefined;
    items = [];
    return Response.json({ updated: 1, seq: 2 });
  };
  await stage.show(<InboxPage />);
  fireEvent.click(screen.getByRole("button", { name: "Archived" }));
  await stage.run();
  expect(screen.getByRole("article").textContent).toContain("old#1");
  fireEvent.click(screen.getByRole("button", { name: "Move to inbox" }));
  await stage.run();
  expect(stage.sent).toEqual(["/v1/notifications/unarchive"]);
  expect(screen.queryByRole("article")).toBeNull();
});

test("an inbox that loads after its page holds back what arrives while its top is out of view", async () => {
  const observed = new Map<Element, (entries: { isIntersecting: boolean }[]) => void>();
  vi.stubGlobal(
    "IntersectionObserver",
    class {
      constructor(private readonly seen: (entries: { isIntersecting: boolean }[]) => void) {}
      observe(one: Element): void {
        observed.set(one, this.seen);
      }
      disconnect(): void {}
    },
  );
  stage.server.notify("a", "comment");
  await stage.show(<InboxPage />);
  const top = element(".tidings-activity__top");
  act(() => observed.get(top)?.([{ isIntersecting: false }]));
  stage.server.notify("b", "comment");
  await stage.run();
  expect(screen.getAllByRole("article").length).toBe(1);
  fireEvent.click(screen.getByRole("button", { name: "1 new" }));
  expect(screen.getAllByRole("article").length).toBe(2);
});
