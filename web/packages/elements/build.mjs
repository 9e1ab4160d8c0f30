// Builds the package into a folder: `node build.mjs [FOLDER]`. One module has the elements, the components and the client; it
// loads languages and the virtualiser of long lists when they are needed.
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const HERE = dirname(fileURLToPath(import.meta.url));

/** How the package is built; its size is that of what these give. */
export const OPTIONS = {
  absWorkingDir: HERE,
  entryPoints: { index: "src/index.ts" },
  bundle: true,
  splitting: true,
  minify: true,
  // Members of the client that begin with one underscore are private to it; those of Preact begin with two.
  mangleProps: /^_[a-z]/,
  format: "esm",
  target: "es2022",
  jsx: "automatic",
  define: { "process.env.NODE_ENV": '"production"' },
  chunkNames: "chunks/[name]-[hash]",
  alias: {
    "@tidings/client": "../client/src/index.ts",
    "@tidings/react/messages": "../react/src/messages",
    "@tidings/react": "../react/src/index.ts",
    react: "preact/compat",
    "react/jsx-runtime": "preact/jsx-runtime",
    "react-dom": "preact/compat",
    "react-dom/client": "preact/compat/client",
  },
};

/** The style sheets that make the one of the package. */
const SHEETS = ["../react/src/styles.css", "src/elements.css"];

/** The packages of others in the built files; their licences require a notice. */
const BUNDLED = ["preact", "@tanstack/react-virtual", "@tanstack/virtual-core"];

async function licenceOf(name) {
  return `${name}\n\n${await readFile(join(HERE, "../../node_modules", name, "LICENSE"), "utf8")}`;
}

/** Build into `folder`. */
export async function buildElements(folder) {
  await mkdir(folder, { recursive: true });
  for (const name of await readdir(folder, { recursive: true })) {
    if (name.endsWith(".js")) await rm(join(folder, name)); // those of other sources
  }
  await build({ ...OPTIONS, outdir: folder });
  const sheets = await Promise.all(SHEETS.map((path) => readFile(join(HERE, path), "utf8")));
  await writeFile(join(folder, "styles.css"), sheets.join("\n"));
  const licences = await Promise.all(BUNDLED.map(licenceOf));
  await writeFile(join(folder, "LICENSES.txt"), licences.join("\n"));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildElements(process.argv[2] ?? join(HERE, "dist"));
