import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { expect, test } from "vitest";

const REACT = ["react", "react-dom", "react/jsx-runtime"];

/** Compressed bytes of what a page loads at first for some exports; and of what it loads later, for long lists. */
async function bytes(code: string, external: string[] = []): Promise<{ first: number; later: number }> {
  const { outputFiles } = await build({
    stdin: { contents: code, resolveDir: "packages/react", loader: "ts" },
    ...(external.length ? {} : { alias: { "@tidings/client": "./packages/client/src/index.ts" } }),
    bundle: true,
    minify: true,
    splitting: true,
    format: "esm",
    target: "es2022",
    jsx: "automatic",
    outdir: "out",
    external: [...REACT, ...external],
    write: false,
  });
  const sizes = outputFiles.map(
    ({ path, contents }) => [/virtual/.test(path), gzipSync(contents, { level: 9 }).length] as const,
  );
  const sum = (later: boolean): number => sizes.filter(([lazy]) => lazy === later).reduce((all, [, size]) => all + size, 0);
  return { first: sum(false), later: sum(true) };
}

test("the hooks stay small beside the client", async () => {
  const { first } = await bytes("export * from './src/hooks/index.ts'", ["@tidings/client"]);
  expect(first).toBeGreaterThan(500);
  expect(first).toBeLessThanOrEqual(1_700);
});

test("all components stay small beside the client", async () => {
  const { first, later } = await bytes("export * from './src/index.ts'", ["@tidings/client"]);
  expect(first).toBeGreaterThan(8_000);
  expect(first).toBeLessThanOrEqual(15_000);
  expect(later).toBeGreaterThan(5_000); // the virtualiser is apart
});

test("everything stays small, the client included", async () => {
  const { first } = await bytes("export * from './src/index.ts'");
  expect(first).toBeLessThanOrEqual(26_000);
});

test("a bell and a panel need less than everything", async () => {
  const { first } = await bytes("export { TidingsProvider, Dropdown } from './src/index.ts'", ["@tidings/client"]);
  expect(first).toBeLessThanOrEqual(9_600);
});
