/** Components on a simulated server, in virtual time. */
import { act, cleanup, render } from "@testing-library/react";
import { TidingsClient } from "@tidings/client";
import type { ReactNode } from "react";
import { afterEach } from "vitest";
import { SimulatedRuntime, seeded, VirtualTime } from "../../client/tests/runtime.js";
import { SimulatedServer } from "../../client/tests/server.js";
import { TidingsProvider, type TidingsProviderProps } from "../src/index.js";

export class Stage {
  readonly time = new VirtualTime();
  readonly server = new SimulatedServer(this.time, { delay: () => 20, fails: () => undefined });
  /** The paths of the changes that were sent. */
  readonly sent: string[] = [];
  /** The response to a request instead of the server's. */
  answer: ((path: string, method: string, query: URLSearchParams) => Response | undefined) | undefined;
  readonly client = new TidingsClient({
    url: "http://tidings.test",
    user: "u",
    runtime: new SimulatedRuntime(this.time, seeded(1), async (url, init) => {
      const { pathname, searchParams } = new URL(url);
      const { method = "GET" } = init;
      if (method !== "GET") this.sent.push(pathname);
      const instead = this.answer?.(pathname, method, searchParams);
      return instead ?? this.server.fetch(url, init);
    }),
  });

  /** Show components, and let the server answer. */
  async show(children: ReactNode, props: Partial<TidingsProviderProps> = {}): Promise<void> {
    render(
      <TidingsProvider client={this.client} {...props}>
        {children}
      </TidingsProvider>,
    );
    await this.run();
  }

  /** Let time pass. */
  async run(ms = 1_000): Promise<void> {
    await act(() => this.time.run(ms));
  }
}

/** A problem of the server. */
export function refused(): Response {
  return Response.json({ type: "urn:tidings:problem:forbidden", detail: "no" }, { status: 403 });
}

export function element<E extends HTMLElement = HTMLElement>(selector: string): E {
  const found = document.querySelector<E>(selector);
  if (!found) throw new Error(`nothing matches ${selector} in ${document.body.innerHTML}`);
  return found;
}

afterEach(cleanup);
