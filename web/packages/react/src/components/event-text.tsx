import type { EventItem } from "@tidings/client";
import { Fragment, type ReactNode } from "react";
import { emphasised } from "./emphasis.js";

/** What an event says: its own message, the phrase of its verb, or actor, verb and object. */
export function eventText(item: EventItem, phrases: Readonly<Record<string, string>>): ReactNode {
  const actor = item.actor_name ?? item.actor_id;
  const object = item.object_title ?? `${item.object_type} ${item.object_id}`;
  if (item.message) return emphasised(item.message, [actor, item.object_title]);
  const phrase = phrases[item.verb] ?? `{actor} ${item.verb.replaceAll("_", " ")} {object}`;
  const values: Record<string, string> = { actor, object };
  return phrase.split(/\{(\w+)\}/).map((part, at) =>
    // biome-ignore lint/suspicious/noArrayIndexKey: the parts of a phrase never move
    at % 2 ? <b key={at}>{values[part] ?? ""}</b> : <Fragment key={at}>{part}</Fragment>,
  );
}
