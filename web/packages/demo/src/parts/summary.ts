import type { Summary } from "@tidings/client";
import { useActivityFeed, useClient, useFeedSummary } from "@tidings/react";
import { useEffect } from "react";

/** Milliseconds after a change of the feed: many changes at once are one request. */
const SOON_MS = 400;

/** The summary of the user's feed, asked for again whenever the feed has changed. */
export function useCurrentSummary(): Summary | undefined {
  const { summary } = useClient();
  const { items } = useActivityFeed();
  const { data } = useFeedSummary();
  // biome-ignore lint/correctness/useExhaustiveDependencies: the items are why
  useEffect(() => {
    const timer = setTimeout(() => void summary.refetch(), SOON_MS);
    return () => clearTimeout(timer);
  }, [summary, items]);
  return data;
}
