// @vitest-environment happy-dom
import { act } from "@testing-library/react";
import { hydrateRoot } from "react-dom/client";
import { renderToString } from "react-dom/server";
import { expect, test, vi } from "vitest";
import { Dropdown, InboxList, TidingsProvider } from "../src/index.js";
import { Stage } from "./stage.js";

test("a page of the server is continued in the browser without a difference", async () => {
  const stage = new Stage();
  stage.server.notify("a", "comment");
  stage.client.start();
  await stage.time.run(1_000); // the browser knows more than the server already
  const warn = vi.spyOn(console, "error");
  const page = (client = stage.client) => (
    <TidingsProvider client={client}>
      <Dropdown />
      <InboxList />
    </TidingsProvider>
  );
  const html = renderToString(page(new Stage().client));
  expect(html).toContain("tidings-bell");
  expect(html).not.toContain("style=");
  document.body.innerHTML = `<div id="root">${html}</div>`;
  const recovered: unknown[] = [];
  const container = document.querySelector("#root") as HTMLElement;
  const root = await act(() => hydrateRoot(container, page(), { onRecoverableError: (error) => recovered.push(error) }));
  await act(() => stage.time.run(1_000));
  expect(container.textContent).toContain("a#1");
  expect([recovered, warn.mock.calls]).toEqual([[], []]);
  await act(() => root.unmount());
});
