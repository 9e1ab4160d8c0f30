import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  esbuild: { jsx: "automatic" },
  // The sources themselves, so that no test runs on a build of before.
  resolve: { alias: { "@tidings/client": fileURLToPath(new URL("packages/client/src/index.ts", import.meta.url)) } },
});
