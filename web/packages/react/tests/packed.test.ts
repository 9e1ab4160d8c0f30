import { execFileSync, spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test, vi } from "vitest";

// The packages as npm would publish them, in an application that has nothing else of this repository. What they and the
// application depend on is that of the lock file.
const PACKAGES = ["client", "react", "elements"];
const INSTALLED = ["react", "react-dom", "scheduler", "@tanstack/react-virtual", "@tanstack/virtual-core"];
const DEVELOPMENT = ["vite", "typescript", "@types/react", "@types/react-dom", "csstype"];

const PAGE = `
  import { type InboxView, TidingsClient } from "@tidings/client";
  import { ActivityFeed, Dropdown, InboxPage, TidingsProvider, useUnread } from "@tidings/react";
  import { useFeed } from "@tidings/react/hooks";
  import { lt } from "@tidings/react/messages/lt";
  import { renderToString } from "react-dom/server";

  function Count() {
    const { unread_count } = useUnread();
    return <output>{unread_count + useFeed().items.length}</output>;
  }

  export const view: InboxView = new TidingsClient({ user: "bob" }).inbox.get();
  export const html: string = renderToString(
    <TidingsProvider user="bob" token={() => "token"} messages={lt} onOpen={(item) => console.info(item.url)}>
      <Dropdown pageUrl="/all" />
      <InboxPage />
      <ActivityFeed list={{ topic: "market:42" }} />
      <Count />
    </TidingsProvider>,
  );
`;

const ELEMENTS = `
  import { type OpenDetail, TidingsBell } from "@tidings/elements";

  export const details: OpenDetail[] = [];
  export function watch(bell: TidingsBell): void {
    bell.addEventListener("tidings-open", ({ detail }) => details.push(detail));
    document.querySelector("tidings-feed")?.setAttribute("topic", "market:42");
  }
`;

/** After which a step counts as hanging. */
const LIMIT_MS = 120_000;
vi.setConfig({ testTimeout: LIMIT_MS });

const OPTIONS = {
  jsx: "react-jsx",
  target: "es2022",
  lib: ["es2023", "dom", "dom.iterable"],
  strict: true,
  exactOptionalPropertyTypes: true,
};

const folder = realpathSync(mkdtempSync(join(tmpdir(), "tidings-packed-")));
const modules = join(folder, "node_modules");

function install(name: string, source: string): void {
  const target = join(modules, name);
  mkdirSync(dirname(target), { recursive: true });
  symlinkSync(source, target);
}

beforeAll(() => {
  mkdirSync(join(modules, "@tidings"), { recursive: true });
  for (const name of [...INSTALLED, ...DEVELOPMENT]) install(name, resolve("node_modules", name));
  const flags = ["--silent", "--ignore-scripts", "--offline", "--pack-destination", folder];
  execFileSync("npm", ["pack", ...flags, ...PACKAGES.map((name) => `./packages/${name}`)], { stdio: "pipe" });
  for (const name of PACKAGES) {
    const target = join(modules, "@tidings", name);
    mkdirSync(target);
    execFileSync("tar", ["xzf", join(folder, `tidings-${name}-0.1.0.tgz`), "-C", target, "--strip-components=1"]);
  }
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  const types = { compilerOptions: OPTIONS, files: ["page.tsx", "elements.ts"] };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(types));
  writeFileSync(join(folder, "page.tsx"), PAGE);
  writeFileSync(join(folder, "elements.ts"), ELEMENTS);
  writeFileSync(join(folder, "main.ts"), 'import "./page"; import "@tidings/elements"; import "@tidings/react/styles.css";');
}, LIMIT_MS);

afterAll(() => rmSync(folder, { recursive: true }));

/** Run Vite in the application. */
function vite(...flags: string[]): void {
  const command = [join(modules, "vite/bin/vite.js"), "build", "--logLevel=warn", ...flags];
  execFileSync(process.execPath, command, { cwd: folder, env: { ...process.env, NODE_ENV: "production" }, stdio: "pipe" });
}

test("an application of Vite renders the packed packages on its server", async () => {
  vite("--ssr=page.tsx", "--outDir=server");
  const { html, view } = await import(/* @vite-ignore */ pathToFileURL(join(folder, "server/page.js")).href);
  expect(html).toContain("Pranešimai");
  expect(html).not.toContain("style=");
  expect(view.items).toEqual([]);
});

test("an application of Vite bundles the packed packages for browsers", () => {
  writeFileSync(join(folder, "index.html"), '<script type="module" src="./main.ts"></script>');
  vite("--outDir=browser");
  const assets = readdirSync(join(folder, "browser/assets"));
  expect(assets.some((name) => name.endsWith(".css"))).toBe(true);
  const code = assets
    .filter((name) => name.endsWith(".js"))
    .map((name) => readFileSync(join(folder, "browser/assets", name), "utf8"));
  expect(code.some((text) => text.includes("tidings-bell"))).toBe(true);
});

test("a server may import each entry", () => {
  const entries = ["client", "client/inbox", "client/lists", "client/resources", "react", "react/hooks", "elements"];
  const code = entries.map((entry) => `console.log(Object.keys(await import("@tidings/${entry}")).length > 0);`);
  const said = execFileSync(process.execPath, ["--input-type=module"], {
    cwd: folder,
    input: code.join(""),
    encoding: "utf8",
  });
  expect(said).toBe("true\n".repeat(entries.length));
});

test("modules with hooks are those of a browser for server components", () => {
  for (const entry of ["index.js", "hooks/index.js"]) {
    const code = readFileSync(join(modules, "@tidings/react/dist", entry), "utf8");
    expect(code).toMatch(/^"use client";/);
    expect(code).not.toMatch(/^export \*/m); // webpack in Next.js accepts none here
  }
});

test.each([
  ["bundler", "esnext"],
  ["node16", "node16"],
])("the types of the packed packages are whole for the module resolution %s", (resolution, module) => {
  const flags = ["--noEmit", "--skipDefaultLibCheck", "--module", module, "--moduleResolution", resolution];
  const { stdout } = spawnSync(process.execPath, [join(modules, "typescript/bin/tsc"), ...flags], {
    cwd: folder,
    encoding: "utf8",
  });
  expect(stdout).toBe("");
});
