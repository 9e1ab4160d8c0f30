import { expect, test, vi } from "vitest";
import { TidingsClient } from "../src/index.js";
import { SimulatedRuntime, seeded, VirtualTime } from "./runtime.js";
import { SimulatedServer } from "./server.js";

test("a request of the further transports that gets no response holds up nothing", async () => {
  vi.doMock("../src/fallbacks.js", () => new Promise(() => undefined)); // a request without a response
  const time = new VirtualTime();
  const server = new SimulatedServer(time, { delay: () => 10, fails: () => undefined });
  const runtime = new SimulatedRuntime(time, seeded(1), (url, init) =>
    url.includes("/stream") ? Promise.reject(new TypeError("blocked")) : server.fetch(url, init),
  );
  const client = new TidingsClient({ runtime, url: "http://tidings.test", user: "u" });
  client.start();
  await time.run(100_000);
  expect(client.connectionState.get()).toMatchObject({ status: "polling" });
  client.stop();
  vi.doUnmock("../src/fallbacks.js");
});
