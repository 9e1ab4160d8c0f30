// Measures the bell of each product as its package ships it: size, accessibility, content security policy, keyboard, server
// rendering. Prints a table in Markdown. No product's service is called: each request of a page gets 404 from this process.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { chromium } from "playwright-core";
import { PRODUCTS } from "./products.mjs";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const BROWSER =
  process.env.CHROMIUM ??
  execFileSync("sh", ["-c", "command -v chromium chromium-browser google-chrome | head -1"]).toString().trim();
const POLICY = "default-src 'self'; connect-src *";
/** Milliseconds within which a bell must be on the page, or be rendered. */
const SHOWN_MS = 15_000;
/** Milliseconds that a list gets to open. */
const OPENED_MS = 1_000;
const REACT = ["react", "react-dom", "react/*", "react-dom/*"];
const BELL = "button, [role=button], courier-inbox-popup-menu";

/** A module of esbuild that holds the bell of a product, with its styles. */
const widgetOf = ({ widget, styles }) => ({
  name: "widget",
  setup(build) {
    build.onResolve({ filter: /^widget$/ }, () => ({ path: "widget", namespace: "widget" }));
    build.onLoad({ filter: /./, namespace: "widget" }, () => ({
      contents: styles ? `import "${styles}";${widget}` : widget,
      loader: "tsx",
      resolveDir: HERE,
    }));
  },
});

/** `program`, which imports the component from "widget", in one file. */
async function bundled(product, program, options) {
  const { outputFiles } = await build({
    stdin: { contents: program, resolveDir: HERE, loader: "tsx" },
    plugins: [widgetOf(product)],
    bundle: true,
    minify: true,
    write: false,
    outdir: "out",
    jsx: "automatic",
    define: { "process.env.NODE_ENV": '"production"' },
    logLevel: "error",
    ...options,
  });
  const ending = (end) => outputFiles.find(({ path }) => path.endsWith(end))?.contents ?? new Uint8Array();
  return { js: ending(".js"), css: ending(".css") };
}

const kilobytes = (bytes) => (bytes.length ? (gzipSync(bytes, { level: 9 }).length / 1000).toFixed(1) : "0");

async function sizes(product) {
  const { js, css } = await bundled(product, 'export { default } from "widget";', { format: "esm", external: REACT });
  return { js: kilobytes(js), css: kilobytes(css) };
}

/** Whether the bell renders where there is no document. */
async function rendersOnServer(product) {
  const program = `import { renderToString } from "react-dom/server"; import Widget from "widget";
    renderToString(<Widget />); process.exit(0);`;
  const { js } = await bundled(product, program, { format: "cjs", platform: "node" });
  const options = { input: js, stdio: ["pipe", "ignore", "ignore"], timeout: SHOWN_MS };
  try {
    execFileSync(process.execPath, ["--input-type=commonjs"], options);
    return "yes";
  } catch {
    return "no";
  }
}

const inPage = (product) =>
  bundled(
    product,
    `import { createRoot } from "react-dom/client"; import Widget from "widget";
    createRoot(document.getElementById("root")).render(<Widget />);`,
    { format: "iife" },
  );

function served({ js, css }) {
  const files = {
    "/": [
      "text/html",
      '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Bell</title><link rel="stylesheet" href="/style.css"></head><body><main><h1>Bell</h1><div id="root"></div></main><script src="/script.js"></script></body></html>',
    ],
    "/script.js": ["text/javascript", js],
    "/style.css": ["text/css", css],
  };
  const server = createServer((request, response) => {
    const [media, body] = files[request.url] ?? [];
    if (media)
      response.writeHead(200, { "content-type": `${media}; charset=utf-8`, "content-security-policy": POLICY }).end(body);
    else response.writeHead(404, { "content-type": "application/json" }).end("{}");
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

/** How many elements a page shows, those of custom elements too, so that two states can be compared. */
const shown = (page) =>
  page.evaluate(() => {
    const visible = { visibilityProperty: true, opacityProperty: true };
    const count = (root) =>
      [...root.querySelectorAll("*")].reduce(
        (sum, element) => sum + element.checkVisibility(visible) + (element.shadowRoot ? count(element.shadowRoot) : 0),
        0,
      );
    return count(document);
  });

async function inBrowser(browser, product) {
  const server = await served(await inPage(product));
  const context = await browser.newContext();
  // Nothing leaves this machine.
  await context.route(
    ({ hostname }) => hostname !== "127.0.0.1",
    (route) => route.abort(),
  );
  const page = await context.newPage();
  await page.addInitScript(() => {
    window.reports = new Set();
    document.addEventListener("securitypolicyviolation", (event) => window.reports.add(event.effectiveDirective));
  });
  try {
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    const bell = page.locator(BELL).first();
    await bell.waitFor({ timeout: SHOWN_MS });
    const closed = await shown(page);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.waitForTimeout(OPENED_MS);
    const byKeyboard = (await shown(page)) !== closed;
    if (!byKeyboard) await bell.click();
    await page.waitForTimeout(OPENED_MS);
    await page.evaluate(AXE);
    const found = await page.evaluate(async () => (await window.axe.run()).violations.map(({ id }) => id));
    const reports = await page.evaluate(() => [...window.reports].sort());
    return { keyboard: byKeyboard ? "yes" : "no", axe: found.join(", ") || "none", policy: reports.join(", ") || "none" };
  } finally {
    await context.close();
    server.close();
  }
}

const browser = await chromium.launch({ executablePath: BROWSER, args: ["--no-sandbox"] });
console.log(
  "| | package | JavaScript, kB | CSS, kB | opened by keyboard | violations found by axe | violations of the policy | renders on a server |",
);
console.log("|---|---|---|---|---|---|---|---|");
for (const [title, product] of Object.entries(PRODUCTS)) {
  const manifest = JSON.parse(readFileSync(`${HERE}node_modules/${product.name}/package.json`, "utf8"));
  const { js, css } = await sizes(product);
  const seen = await inBrowser(browser, product).catch((error) => ({
    keyboard: "?",
    axe: String(error).split("\n")[0],
    policy: "?",
  }));
  console.log(
    `| ${title} | \`${product.name}\` ${manifest.version} | ${js} | ${css} | ${seen.keyboard} | ${seen.axe} | ${seen.policy} | ${await rendersOnServer(product)} |`,
  );
}
await browser.close();
