import type { ActivityGroup } from "@tidings/client";
import type { ReactNode } from "react";
import { useLive } from "../live.js";
import { number, wordOf } from "../texts.js";
import { Avatar, Empty, Phrase, Time } from "./basics.js";
import { Skeletons } from "./feed-list.js";

const EVERY_MS = 3_000;

/** Similar events as one: "Ann, Bo and 3 others starred x". Fetched every few seconds while it is shown. */
export function Groups({
  path,
  query = {},
  nouns = {},
}: {
  path: string;
  query?: Record<string, string>;
  nouns?: Record<string, string>;
}): ReactNode {
  const page = useLive<{ items: readonly ActivityGroup[] }>(path, { ...query, group: true, limit: 12 }, EVERY_MS);
  const groups = page?.items;
  if (!groups) return <Skeletons />;
  if (!groups.length) return <Empty title="Nothing here yet" hint="Similar events appear here as one." />;
  return (
    <div className="feed">
      {groups.map((group) => (
        <article key={group.group_id} className="card">
          <span className="stack">
            {group.actors.slice(0, 2).map((id, at) => (
              <Avatar key={id} id={id} name={group.actor_names[at] ?? id} />
            ))}
          </span>
          <div className="card__body">
            <p className="card__text">
              <GroupSentence group={group} noun={nouns[group.verb]} />
            </p>
            <p className="card__meta">
              <Time at={group.created_at} />
              <span className="tag">{wordOf(group.verb)}</span>
              {group.count > 1 && <span>{number(group.count)} events</span>}
            </p>
          </div>
        </article>
      ))}
    </div>
  );
}

function GroupSentence({ group, noun }: { group: ActivityGroup; noun: string | undefined }): ReactNode {
  const names = group.actors.slice(0, 2).map((id, at) => group.actor_names[at] ?? id);
  const others = group.actor_count - names.length;
  const listed = others > 0 ? `${names.join(", ")} and ${others} ${others === 1 ? "other" : "others"}` : names.join(" and ");
  const actor = noun && group.actor_count > 2 ? `${group.actor_count} ${noun}` : listed;
  return <Phrase verb={group.verb} actor={actor} object={group.object_title ?? group.object_id} />;
}
