// @vitest-environment happy-dom
import { act, render } from "@testing-library/react";
import type { TidingsClient } from "@tidings/client";
import type { ReactNode } from "react";
import { beforeEach, expect, test } from "vitest";
import { SimulatedRuntime, seeded, VirtualTime } from "../../client/tests/runtime.js";
import { ClientProvider, type ClientProviderProps, useClient } from "../src/hooks/index.js";

let time: VirtualTime;
let runtime: SimulatedRuntime;
/** The credential of each request. */
let credentials: (string | null)[];
let client: TidingsClient;

beforeEach(() => {
  time = new VirtualTime();
  credentials = [];
  runtime = new SimulatedRuntime(time, seeded(1), async (_, { headers }) => {
    credentials.push(new Headers(headers).get("authorization"));
    return Response.json({}, { status: 503 });
  });
});

function Seen(): ReactNode {
  client = useClient();
  return null;
}

const page = (options: ClientProviderProps): ReactNode => (
  <ClientProvider url="http://tidings.test" user="bob" runtime={runtime} {...options}>
    <Seen />
  </ClientProvider>
);

test("a token that comes after the user is used", async () => {
  const { rerender } = render(page({}));
  await act(() => time.run(10));
  expect(credentials.every((one) => one === null)).toBe(true);
  rerender(page({ token: "t1" }));
  credentials = [];
  await act(() => time.run(10));
  expect(new Set(credentials)).toEqual(new Set(["Bearer t1"]));
});

test("another token is used by the same client", async () => {
  const { rerender } = render(page({ token: "t1" }));
  await act(() => time.run(10));
  const before = client;
  rerender(page({ token: "t2" }));
  await act(() => time.run(10));
  expect(client).toBe(before);
  rerender(page({ token: "t2", user: "cy" }));
  expect(client).not.toBe(before);
});
