/** The committed demo is what its sources give: who has no Node.js sees the same as who has it. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildDemo, COMMITTED, filesOf } from "../build.mjs";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "demo-"));
});
afterAll(() => rm(folder, { recursive: true }));

test("the committed files are built from these sources", async () => {
  await buildDemo(join(folder, "demo"));
  const [built, committed] = [await filesOf(join(folder, "demo")), await filesOf(COMMITTED)];
  const differing = [...new Set([...built.keys(), ...committed.keys()])].filter((name) => {
    const [one, other] = [built.get(name), committed.get(name)];
    return one === undefined || other === undefined || !one.equals(other);
  });
  expect(differing, "src/tidings/http/static/demo is not what web/packages builds: run `make web` and commit it").toEqual(
    [],
  );
});
