import { describe, expect, test } from "vitest";
import { type EventFilter, type EventItem, type EventList, matches, parametersOf } from "../src/filters.js";

const ITEM: EventItem = {
  event_id: "1",
  position: 1,
  actor_id: "alice",
  verb: "comment",
  object_type: "market",
  object_id: "42",
  topics: ["category:politics"],
  created_at: "2026-01-01T00:00:00.000Z",
  actor_name: null,
  object_title: null,
  metadata: {},
};
const FOLLOWED = { ...ITEM, reason: { kind: "follow", topic: "market:42" } } as const;

describe("a filter", () => {
  test.each<[EventFilter, EventItem, boolean]>([
    [{}, ITEM, true],
    [{ verb: "comment" }, ITEM, true],
    [{ verb: ["like", "comment"] }, ITEM, true],
    [{ verb: { not: "comment" } }, ITEM, false],
    [{ verb: { not: ["like", "push"] } }, ITEM, true],
    [{ actor_id: "bob" }, ITEM, false],
    [{ topic: "user:alice" }, ITEM, true],
    [{ topic: ["market:42", "market:43"], verb: "like" }, ITEM, false],
    [{ topic: { not: "category:politics" } }, ITEM, false],
    [{ object_id: "42", object_type: "market" }, ITEM, true],
    [{ read: false }, ITEM, true],
    [{ read: true }, ITEM, false],
    [{ read: true }, { ...ITEM, read_at: "2026-01-01T00:00:00.000Z" }, true],
  ])("%j decides as the server does", (filter, item, expected) => {
    expect(matches("activity", filter, item)).toBe(expected);
  });

  test.each<[EventList, EventItem, boolean]>([
    ["feed", ITEM, false],
    ["feed", FOLLOWED, true],
    ["activity", FOLLOWED, true],
    ["activity", { ...FOLLOWED, visibility: "followers" }, false],
    [{ topic: "market:42" }, { ...FOLLOWED, visibility: "followers" }, true],
    [{ topic: "user:alice" }, { ...FOLLOWED, visibility: "followers" }, false],
    [{ topic: "category:politics" }, ITEM, true],
    [{ topic: "category:sports" }, ITEM, false],
    ["activity", { ...FOLLOWED, visibility: "recipients" }, false],
    ["feed", { ...FOLLOWED, visibility: "recipients" }, true],
  ])("of the list %j has an item: %j", (list, item, expected) => {
    expect(matches(list, {}, item)).toBe(expected);
  });

  test("is written as the query parameters expect names with a comma, a backslash or a hyphen", () => {
    expect(parametersOf({ verb: ["a,b", "c\\d", "-e"], actor_id: { not: ["f", "g"] }, read: false })).toEqual({
      verb: "a\\,b,c\\\\d,\\-e",
      actor_id: "-f,-g",
      read: false,
      object_id: undefined,
    });
  });
});
