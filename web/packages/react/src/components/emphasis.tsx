import type { Notification } from "@tidings/client";
import { Fragment, type ReactNode } from "react";

/** A text in which the first mention of each name is emphasised. */
export function emphasised(text: string, names: readonly (string | null | undefined)[]): ReactNode {
  const spans: [from: number, to: number][] = [];
  for (const name of names) {
    const from = name ? text.indexOf(name) : -1;
    const to = from + (name?.length ?? 0);
    if (from >= 0 && spans.every(([start, end]) => to <= start || from >= end)) spans.push([from, to]);
  }
  spans.sort(([a], [b]) => a - b);
  let last = 0;
  const parts = spans.map(([from, to]) => {
    const before = text.slice(last, from);
    last = to;
    return (
      <Fragment key={from}>
        {before}
        <b>{text.slice(from, to)}</b>
      </Fragment>
    );
  });
  return (
    <>
      {parts}
      {text.slice(last)}
    </>
  );
}

/** What a notification says, with the names of its actors and of its object emphasised. */
export function messageOf({ message, actor_name, parts: { actors, object } }: Notification): ReactNode {
  return emphasised(message, [...actors.map((actor) => actor.name ?? actor.id), actor_name, object.title]);
}
