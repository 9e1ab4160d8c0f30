// @vitest-environment happy-dom
import { fireEvent, screen } from "@testing-library/react";
import { beforeEach, describe, expect, test } from "vitest";
import { Dropdown } from "../src/index.js";
import { element, refused, Stage } from "./stage.js";

let stage: Stage;

beforeEach(() => {
  stage = new Stage();
  for (const thing of ["a", "b", "c"]) stage.server.notify(thing, "comment");
});

const bell = (): HTMLElement => element(".tidings-bell");
const badge = (): string | undefined => document.querySelector(".tidings-badge")?.textContent ?? undefined;
const rows = (): HTMLElement[] => screen.queryAllByRole("article");
const unread = (): number => document.querySelectorAll(".tidings-row--unread").length;
const focused = (): string | null | undefined => document.activeElement?.textContent;
const liveRegion = (): string | null => element("[aria-live=polite]").textContent;

async function opened(): Promise<void> {
  await stage.show(<Dropdown />);
  fireEvent.click(bell());
  await stage.run();
}

describe("the bell", () => {
  test("has the number of notifications in its name and its badge", async () => {
    await stage.show(<Dropdown />);
    expect(screen.getByRole("button", { name: "Notifications, 3 unread" })).toBe(bell());
    expect(badge()).toBe("3");
    stage.server.notify("d", "comment");
    await stage.run();
    expect(bell().getAttribute("aria-label")).toBe("Notifications, 4 unread");
  });

  test("writes large numbers as a bound", async () => {
    await stage.show(<Dropdown max={2} />);
    expect(badge()).toBe("2+");
  });

  test("loses its badge when the list is opened, and keeps the unread rows", async () => {
    await opened();
    expect(badge()).toBeUndefined();
    expect(stage.sent).toEqual(["/v1/notifications/seen-all"]);
    expect(unread()).toBe(3);
  });

  test("marks what arrives seen while the list is open", async () => {
    await opened();
    stage.server.notify("d", "comment");
    await stage.run();
    expect(badge()).toBeUndefined();
    expect(stage.sent.length).toBe(2);
  });

  test("tries a refused mark once for each time that the list is opened", async () => {
    stage.answer = (path) => (path.endsWith("/seen-all") ? refused() : undefined);
    await opened();
    expect([stage.sent.length, badge()]).toEqual([1, "3"]);
    fireEvent.click(bell());
    fireEvent.click(bell());
    await stage.run();
    expect(stage.sent.length).toBe(2);
  });
});

describe("the panel", () => {
  test("takes the focus, and Escape returns it to the bell", async () => {
    await opened();
    const panel = screen.getByRole("dialog", { name: "Notifications" });
    expect(document.activeElement).toBe(panel);
    expect(bell().getAttribute("aria-expanded")).toBe("true");
    fireEvent.keyDown(panel, { key: "Escape" });
    expect(screen.queryByRole("dialog")).toBeNull();
    expect(document.activeElement).toBe(bell());
  });

  test("closes when the user presses elsewhere", async () => {
    await opened();
    fireEvent.pointerDown(screen.getByRole("dialog"));
    expect(screen.queryByRole("dialog")).not.toBeNull();
    fireEvent.pointerDown(document.body);
    expect(screen.queryByRole("dialog")).toBeNull();
  });

  test("shows only unread notifications on demand", async () => {
    await opened();
    fireEvent.click(screen.getAllByRole("button", { name: "Mark as read" })[0] as HTMLElement);
    await stage.run();
    expect([rows().length, unread()]).toEqual([3, 2]);
    stage.answer = (path, _, query) => (path === "/v1/notifications" && query.has("unread_only") ? unreadPage() : undefined);
    fireEvent.click(screen.getByRole("button", { name: /^Unread ?2/ }));
    await stage.run();
    expect(rows().length).toBe(2);
  });
});

describe("a change", () => {
  test("that the server refuses is taken back and announced", async () => {
    await opened();
    stage.answer = (path) => (path.endsWith("/read") ? refused() : undefined);
    fireEvent.click(screen.getAllByRole("button", { name: "Mark as read" })[0] as HTMLElement);
    expect(unread()).toBe(2);
    await stage.run();
    expect(unread()).toBe(3);
    expect(liveRegion()).toBe("The change was not saved and has been taken back.");
  });

  test("of all notifications can be undone", async () => {
    await opened();
    fireEvent.click(screen.getByRole("button", { name: "Mark all as read" }));
    await stage.run();
    expect([unread(), liveRegion()]).toEqual([0, "All marked as read"]);
    fireEvent.click(screen.getByRole("button", { name: "Undo" }));
    await stage.run();
    expect(unread()).toBe(3);
  });
});

describe("the keyboard", () => {
  test("goes from the panel to the first row", async () => {
    await opened();
    const panel = screen.getByRole("dialog");
    for (const key of ["ArrowDown", "j"]) {
      panel.focus();
      fireEvent.keyDown(panel, { key });
      expect(focused()).toContain("c#3");
    }
  });

  test("stays in the panel when the control that has the focus is gone", async () => {
    await opened();
    for (const name of ["Mark all as read", "Undo"]) {
      const button = screen.getByRole("button", { name });
      button.focus();
      fireEvent.click(button);
      await stage.run();
      expect(document.activeElement, name).toBe(rows()[0]?.querySelector(".tidings-opener"));
    }
  });

  test("has one row in the tab order and moves between rows", async () => {
    await opened();
    const inOrder = (): string[] =>
      rows().map((row) => row.querySelector(".tidings-opener")?.getAttribute("tabindex") ?? "");
    expect(inOrder()).toEqual(["0", "-1", "-1"]);
    const list = screen.getByRole("list");
    fireEvent.keyDown(list, { key: "j" });
    expect(inOrder()).toEqual(["-1", "0", "-1"]);
    expect(focused()).toContain("b#2");
    fireEvent.keyDown(list, { key: "End" });
    expect(focused()).toContain("a#1");
  });

  test("archives, and the focus moves to the neighbour", async () => {
    await opened();
    fireEvent.focus(element(".tidings-opener"));
    element(".tidings-opener").focus();
    fireEvent.keyDown(screen.getByRole("list"), { key: "e" });
    await stage.run();
    expect(rows().length).toBe(2);
    expect(focused()).toContain("b#2");
  });

  test("types into a field of a row as anywhere else", async () => {
    await stage.show(<Dropdown renderDetails={() => <input aria-label="Reply" />} />);
    fireEvent.click(bell());
    await stage.run();
    stage.sent.length = 0;
    for (const key of ["e", "u", "j", "Home", "A"]) {
      const typed = fireEvent.keyDown(screen.getAllByLabelText("Reply")[0] as HTMLElement, { key });
      expect(typed, key).toBe(true);
    }
    await stage.run();
    expect([stage.sent, rows().length, unread()]).toEqual([[], 3, 3]);
  });

  test("opens the further actions as a menu", async () => {
    await opened();
    fireEvent.click(screen.getAllByRole("button", { name: "More actions" })[0] as HTMLElement);
    expect(focused()).toBe("Pin");
    fireEvent.keyDown(screen.getByRole("menu"), { key: "ArrowDown" });
    expect(focused()).toBe("Snooze for an hour");
    fireEvent.keyDown(screen.getByRole("menu"), { key: "Escape" });
    expect(screen.queryByRole("menu")).toBeNull();
    expect(screen.queryByRole("dialog")).not.toBeNull();
  });
});

test("rows that the user may open have safe addresses only", async () => {
  await stage.show(<Dropdown />);
  stage.answer = (path) =>
    path === "/v1/notifications" ? withUrls("javascript:alert(1)", "https://a.example/1", "/b") : undefined;
  await stage.client.inbox.refetch();
  fireEvent.click(bell());
  expect(rows().map((row) => row.querySelector("a")?.getAttribute("href") ?? null)).toEqual([
    null,
    "https://a.example/1",
    "/b",
  ]);
});

function withUrls(...urls: string[]): Response {
  const page = stage.server.page(20);
  return Response.json({ ...page, items: page.items.map((item, at) => ({ ...item, url: urls[at] })) });
}

function unreadPage(): Response {
  const page = stage.server.page(20);
  return Response.json({ ...page, items: page.items.filter((item) => item.read_at === null) });
}
