import type { EventFilter } from "@tidings/client";
import type { ReactNode } from "react";
import { useGlobalActivity } from "../hooks/feed.js";
import { useTexts } from "../provider.js";
import { ActivityCard, type ActivitySlots } from "./activity-card.js";
import { ConnectionStatus } from "./feed-controls.js";
import { Loader } from "./loader.js";
import { Widget } from "./parts.js";
import { EmptyState } from "./states.js";

export type GlobalActivityProps = ActivitySlots & {
  filter?: EventFilter;
  /** Default: "Activity". */
  title?: string;
  /** The newest events that are shown. Default: 8. */
  limit?: number;
};

const nothing = (): Promise<void> => Promise.resolve();

/** The newest public events of all users, for a home page. */
export function GlobalActivity({ filter, title, limit = 8, ...slots }: GlobalActivityProps): ReactNode {
  const { messages } = useTexts();
  const { items, feed, ...state } = useGlobalActivity(filter);
  return (
    <Widget title={title ?? messages.activity} aside={<ConnectionStatus />}>
      <Loader {...state} next_cursor={null} loadMore={nothing} retry={() => feed.refetch()}>
        {items.length ? (
          <ul className="tidings-widget__items">
            {items.slice(0, limit).map((item) => (
              <li key={item.event_id} className="tidings-widget__item">
                <ActivityCard {...slots} item={item} compact />
              </li>
            ))}
          </ul>
        ) : (
          <EmptyState icon="pulse" title={messages.emptyFeed} hint={messages.emptyFeedHint} />
        )}
      </Loader>
    </Widget>
  );
}
