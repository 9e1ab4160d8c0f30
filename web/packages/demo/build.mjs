// Builds the demo into the server's static files: `node build.mjs [FOLDER]`. Names have a hash of the content, so that
// browsers keep the files for ever; the same sources give the same bytes, so that the result can be committed.
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const HERE = dirname(fileURLToPath(import.meta.url));
/** Where the server has the demo. */
export const COMMITTED = join(HERE, "../../../src/tidings/http/static/demo");
/** Where the page finds the files, relative to its own address. */
const BASE = "static/demo";
/** An entry that only makes React a chunk of its own, which changes seldom; nothing loads it. */
const VENDOR = "vendor";

const SHARED = {
  absWorkingDir: HERE,
  bundle: true,
  minify: true,
  target: "es2022",
  legalComments: "eof",
  define: { "process.env.NODE_ENV": '"production"' },
  loader: { ".woff2": "file" },
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  assetNames: "[name]-[hash]",
  metafile: true,
  write: false,
};

/** Build into `folder`, in place of what is there. */
export async function buildDemo(folder) {
  const modules = await build({
    ...SHARED,
    outdir: folder,
    entryPoints: { main: "src/main.tsx", [VENDOR]: "src/vendor.ts" },
    format: "esm",
    splitting: true,
    jsx: "automatic",
  });
  // Not a module: it runs before the first paint.
  const theme = await build({ ...SHARED, outdir: folder, entryPoints: { theme: "src/theme.ts" }, format: "iife" });
  const files = new Map();
  for (const { path, contents } of [...modules.outputFiles, ...theme.outputFiles]) {
    const name = relative(folder, path);
    if (!name.startsWith(`${VENDOR}-`)) files.set(name, contents);
  }
  files.set("index.html", await page(modules.metafile, theme.metafile));
  const licence = await readFile(join(HERE, "../../node_modules/@fontsource-variable/inter/LICENSE"));
  files.set(`inter-LICENSE-${hash(licence)}.txt`, licence);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const [name, contents] of files) await writeFile(join(folder, name), contents);
}

async function page(modules, theme) {
  const [main, output] = entry(modules, "src/main.tsx");
  const [early] = entry(theme, "src/theme.ts");
  const imported = output.imports.filter(({ kind }) => kind === "import-statement").map(({ path }) => nameOf(path));
  const template = await readFile(join(HERE, "src/index.html"), "utf8");
  const head = [
    `<script src="${BASE}/${early}"></script>`,
    `<link rel="stylesheet" href="${BASE}/${nameOf(output.cssBundle)}">`,
    `<script type="module" src="${BASE}/${main}"></script>`,
    ...imported.sort().map((name) => `<link rel="modulepreload" href="${BASE}/${name}">`),
  ];
  return template.replace("<!-- assets -->", head.join("\n"));
}

function entry(metafile, source) {
  const [path, output] = Object.entries(metafile.outputs).find(([, { entryPoint }]) => entryPoint === source);
  return [nameOf(path), output];
}

const nameOf = (path) => path.split("/").at(-1);
const hash = (contents) => createHash("sha256").update(contents).digest("hex").slice(0, 8).toUpperCase();

/** The files of a folder by name. */
export async function filesOf(folder) {
  const names = (await readdir(folder)).sort();
  return new Map(await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name))])));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildDemo(process.argv[2] ?? COMMITTED);
