// @vitest-environment happy-dom
import { mkdtempSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { expect, test, vi } from "vitest";

const SCENE = `
  import { act, createElement as h } from "react";
  import { hydrateRoot } from "react-dom/client";
  import { renderToString } from "react-dom/server";
  import { ActivityFeed, Dropdown, GlobalActivity, InboxPage, TidingsProvider, Toaster, TopList } from "./src/index.ts";
  const page = () => h(TidingsProvider, { user: "bob" },
    h(Dropdown), h(InboxPage), h(ActivityFeed), h(GlobalActivity), h(TopList), h(Toaster));
  export { version } from "react";
  export const html = renderToString(page());
  export async function hydrate(container, onRecoverableError) {
    globalThis.IS_REACT_ACT_ENVIRONMENT = true;
    const root = await act(async () => hydrateRoot(container, page(), { onRecoverableError }));
    return () => act(async () => root.unmount());
  }
`;

test("the components work with React 18, on the server and in the browser", async () => {
  const folder = mkdtempSync(resolve("node_modules/.react-18-")); // what is there is loaded as it is
  const outfile = join(folder, "page.mjs");
  await build({
    stdin: { contents: SCENE, resolveDir: "packages/react", loader: "ts" },
    alias: { "@tidings/client": "./packages/client/src/index.ts", react: "react-18", "react-dom": "react-dom-18" },
    banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
    bundle: true,
    format: "esm",
    platform: "node",
    jsx: "automatic",
    outfile,
  });
  const page = await import(/* @vite-ignore */ pathToFileURL(outfile).href);
  rmSync(folder, { recursive: true });
  expect(page.version).toMatch(/^18\./);
  expect(page.html).toContain("tidings-bell");
  expect(page.html).not.toContain("style=");
  vi.spyOn(globalThis, "fetch").mockRejectedValue(new TypeError("no network"));
  const warn = vi.spyOn(console, "error");
  const container = document.createElement("div");
  document.body.append(container);
  container.innerHTML = page.html;
  const recovered: unknown[] = [];
  const unmount = await page.hydrate(container, (error: unknown) => recovered.push(error));
  expect([recovered, warn.mock.calls]).toEqual([[], []]);
  await unmount();
});
