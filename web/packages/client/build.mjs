// Builds the package into dist: modules that share chunks, with short names for members that begin with an underscore. These
// are private to the package, and the same in all of its entries.
import { readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const HERE = dirname(fileURLToPath(import.meta.url));

/** The entries by their names in `exports` of package.json. */
export const ENTRIES = { index: "src/index.ts", inbox: "src/inbox-client.ts", lists: "src/lists.ts", resources: "src/resources.ts" };

/** How the package is built; the size of an entry is that of what these give. */
export const OPTIONS = {
  absWorkingDir: HERE,
  bundle: true,
  splitting: true,
  minify: true,
  mangleProps: /^_/,
  format: "esm",
  target: "es2022",
  chunkNames: "chunks/[name]-[hash]",
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const name of await readdir(join(HERE, "dist"), { recursive: true })) {
    if (name.endsWith(".js")) await rm(join(HERE, "dist", name)); // those of other sources
  }
  await build({ ...OPTIONS, entryPoints: ENTRIES, outdir: "dist" });
}
