import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { expect, test } from "vitest";
import { OPTIONS } from "../build.mjs";

test("the elements stay small, with the client and all that they are made of", async () => {
  const { metafile, outputFiles } = await build({ ...OPTIONS, outdir: "out", metafile: true, write: false });
  const sizes = outputFiles.map(({ path, contents }) => [path, gzipSync(contents, { level: 9 }).length] as const);
  const at = (path: string): number => sizes.find(([full]) => full.endsWith(path))?.[1] ?? Number.NaN;
  const first = Object.keys(metafile.outputs).find((path) => path.endsWith("index.js")) as string;
  const loaded = new Set([first]);
  for (const path of loaded) {
    for (const { kind, path: next } of metafile.outputs[path]?.imports ?? []) {
      if (kind === "import-statement") loaded.add(next);
    }
  }
  const bytes = [...loaded].reduce((sum, path) => sum + at(path), 0);
  expect(bytes).toBeGreaterThan(20_000);
  expect(bytes).toBeLessThanOrEqual(30_800);
  expect(sizes.filter(([path]) => /\/(ar|lt|uk|virtual-rows)-/.test(path))).toHaveLength(4); // loaded later
});
