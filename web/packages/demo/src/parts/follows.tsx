/** What the user follows: fetched once, changed at once, and shared by all buttons. */
import type { FollowsPage } from "@tidings/client";
import { useClient } from "@tidings/react";
import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useState } from "react";
import { follow, server, unfollow } from "../server.js";

interface Follows {
  readonly user: string;
  /** Newest first; undefined before the server has answered. */
  readonly topics: readonly string[] | undefined;
  set(topic: string, followed: boolean): Promise<void>;
  /** Ask the server anew, and show the feed as it is then. */
  refresh(): Promise<void>;
}

const FollowsContext = createContext<Follows | undefined>(undefined);

export function useFollows(): Follows {
  const follows = useContext(FollowsContext);
  if (!follows) throw new Error("no FollowsProvider");
  return follows;
}

export function FollowsProvider({ user, children }: { user: string; children: ReactNode }): ReactNode {
  const client = useClient();
  const [topics, setTopics] = useState<readonly string[]>();
  const refresh = useCallback(async () => {
    const page = await server<FollowsPage>(`/v1/users/${encodeURIComponent(user)}/follows`, { query: { limit: "100" } });
    setTopics(page.items.map((item) => item.topic));
    await client.feed().refetch();
  }, [client, user]);
  useEffect(() => {
    refresh().catch(() => setTopics([]));
  }, [refresh]);
  const set = useCallback(
    async (topic: string, followed: boolean) => {
      setTopics((now = []) =>
        followed ? [topic, ...now.filter((one) => one !== topic)] : now.filter((one) => one !== topic),
      );
      await (followed ? follow(user, topic) : unfollow(user, topic)).catch(() => undefined);
      await refresh();
    },
    [user, refresh],
  );
  const follows = useMemo(() => ({ user, topics, set, refresh }), [user, topics, set, refresh]);
  return <FollowsContext.Provider value={follows}>{children}</FollowsContext.Provider>;
}

export function FollowButton({ topic }: { topic: string }): ReactNode {
  const { topics, set } = useFollows();
  const followed = topics?.includes(topic) ?? false;
  const label = followed ? `Unfollow ${topic}` : `Follow ${topic}`;
  return (
    <button
      type="button"
      className={followed ? "follow follow--on" : "follow"}
      aria-pressed={followed}
      aria-label={label}
      title={label}
      disabled={!topics}
      onClick={() => void set(topic, !followed)}
    >
      {followed ? "Following" : "Follow"}
    </button>
  );
}
