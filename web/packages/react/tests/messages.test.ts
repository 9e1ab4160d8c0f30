import { readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { en } from "../src/messages/en.js";
import type { Messages } from "../src/messages/types.js";
import { Texts } from "../src/text.js";

const FOLDER = new URL("../src/messages/", import.meta.url);
const names = readdirSync(FOLDER)
  .map((file) => file.replace(".ts", ""))
  .filter((name) => name !== "types");
const languages = await Promise.all(
  names.map(async (name) => {
    const module = (await import(`../src/messages/${name}.ts`)) as Record<string, Messages>;
    return [name, module[name] as Messages] as const;
  }),
);

/** The names of the values in a text. */
const values = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map((found) => found[1] as string);

test("there are twelve languages at least", () => {
  expect(names.length).toBeGreaterThanOrEqual(12);
  for (const name of ["en", "lt", "pl", "ar"]) expect(names).toContain(name);
});

describe.each(languages)("%s", (name, messages) => {
  test("has each text, with its values", () => {
    expect(messages.locale).toBe(name);
    expect(Object.keys(messages)).toEqual(Object.keys(en));
    for (const [key, text] of Object.entries(en)) {
      const own = messages[key as keyof Messages];
      expect(typeof own, key).toBe(typeof text);
      if (typeof own === "string" && typeof text === "string") {
        expect(own.trim(), key).not.toBe("");
        expect(values(own), key).toEqual(values(text));
      }
    }
  });

  test("has exactly the plural forms of the language", () => {
    const categories = new Intl.PluralRules(name).resolvedOptions().pluralCategories.toSorted();
    for (const [key, forms] of Object.entries(messages)) {
      if (typeof forms !== "object") continue;
      expect(Object.keys(forms).toSorted(), key).toEqual(categories);
      expect(values(forms.other), key).toEqual(["n"]);
    }
  });
});

test("numbers select the form of the language", async () => {
  const texts = async (name: string): Promise<Texts> => new Texts(languages.find(([own]) => own === name)?.[1] as Messages);
  const lt = await texts("lt");
  expect([1, 2, 10, 21].map((n) => lt.plural(lt.messages.newNotifications, n))).toEqual([
    "1 naujas pranešimas",
    "2 nauji pranešimai",
    "10 naujų pranešimų",
    "21 naujas pranešimas",
  ]);
  const pl = await texts("pl");
  expect([1, 3, 5, 22].map((n) => pl.plural(pl.messages.others, n))).toEqual([
    "1 inna osoba",
    "3 inne osoby",
    "5 innych osób",
    "22 inne osoby",
  ]);
  const ar = await texts("ar");
  expect([1, 2, 3, 11].map((n) => ar.plural(ar.messages.newNotifications, n))).toEqual([
    "إشعار جديد",
    "إشعاران جديدان",
    `${ar.number(3)} إشعارات جديدة`,
    `${ar.number(11)} إشعارًا جديدًا`,
  ]);
});

test("times and lists are those of the language", () => {
  const texts = new Texts(en);
  const now = Date.UTC(2026, 5, 15, 12);
  const ago = (minutes: number): string => texts.ago(new Date(now - minutes * 60_000), now);
  expect([-5, 0, 5, 120, 60 * 24, 60 * 24 * 30].map(ago)).toEqual([
    "now",
    "now",
    "5 min. ago",
    "2 hr. ago",
    "yesterday",
    "May 16",
  ]);
  expect([texts.list(["Ann"]), texts.list(["Ann", "Bo"], 3)]).toEqual(["Ann", "Ann, Bo, and 3 others"]);
});
