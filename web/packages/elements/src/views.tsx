import { ActivityFeed, Dropdown, InboxPage } from "@tidings/react";
import type { ReactNode } from "react";

/** What an element shows. */
export type View = ReactNode;

export function bell(element: HTMLElement): View {
  const pageUrl = element.getAttribute("page-url");
  const align = element.getAttribute("align") === "start" ? "start" : "end";
  return <Dropdown align={align} {...(pageUrl === null ? {} : { pageUrl })} />;
}

export function inbox(): View {
  return <InboxPage />;
}

export function feed(element: HTMLElement): View {
  const topic = element.getAttribute("topic");
  return <ActivityFeed list={topic ? { topic } : element.getAttribute("feed") === "activity" ? "activity" : "feed"} />;
}
