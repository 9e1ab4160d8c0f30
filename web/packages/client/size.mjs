// The compressed size of the client in a page, by what the page imports of it: `node size.mjs`. Exit status 1 if one has grown
// beyond its limit. What is loaded later, when the first transport fails, is shown apart.
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { OPTIONS } from "./build.mjs";

/** What pages import, and how many bytes it may have: more would be noticed on a slow network. */
const PAGES = [
  ["the inbox", 'export { InboxClient } from "./src/inbox-client.ts";', 8_400],
  ["the inbox and lists", 'export { InboxClient } from "./src/inbox-client.ts"; export { listsOf } from "./src/lists.ts";', 9_700],
  ["everything", 'export * from "./src/index.ts";', 10_600],
];

let grown = false;
for (const [name, contents, limit] of PAGES) {
  const { outputFiles, metafile } = await build({
    ...OPTIONS,
    stdin: { contents, resolveDir: OPTIONS.absWorkingDir },
    outdir: "out",
    metafile: true,
    write: false,
  });
  const sizes = new Map(outputFiles.map(({ path, contents }) => [path, gzipSync(contents, { level: 9 }).length]));
  const at = (path) => [...sizes].find(([full]) => full.endsWith(path))[1];
  const first = Object.keys(metafile.outputs).find((path) => metafile.outputs[path].entryPoint);
  const loaded = new Set([first]);
  for (const path of loaded) {
    for (const { kind, path: next } of metafile.outputs[path].imports) if (kind === "import-statement") loaded.add(next);
  }
  const total = [...loaded].reduce((sum, path) => sum + at(path), 0);
  const later = [...sizes.values()].reduce((sum, size) => sum + size, -total);
  console.log(`${name}: ${total} of ${limit} bytes, ${later} later`);
  grown ||= total > limit;
}
process.exitCode = Number(grown);
