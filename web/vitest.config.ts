import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  esbuild: { jsx: "automatic" },
  // Tests wait for what they test, not for a time: a slow machine is no failure.
  test: { testTimeout: 120_000, hookTimeout: 120_000 },
  // The sources themselves, so that no test runs on a build of before.
  resolve: { alias: { "@tidings/client": fileURLToPath(new URL("packages/client/src/index.ts", import.meta.url)) } },
});
