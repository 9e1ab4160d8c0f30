import { useCallback } from "react";
import { useClient } from "./client-provider.js";
import { useResource } from "./store.js";

/** Whether the user follows a topic, and how to change that. */
export interface Follow {
  /** Undefined until the server has answered. */
  readonly following: boolean | undefined;
  readonly followers: number | undefined;
  /** Shown at once; taken back, and rejected, if the server refuses it. */
  follow(): Promise<void>;
  unfollow(): Promise<void>;
}

/** Follow and unfollow a topic, such as `market:42`. */
export function useFollow(topic: string): Follow {
  const client = useClient();
  const { data } = useResource(client.topic(topic)); // equal topics are one object
  const follow = useCallback(() => client.follow(topic), [client, topic]);
  const unfollow = useCallback(() => client.unfollow(topic), [client, topic]);
  return { following: data?.viewer?.follows, followers: data?.followers, follow, unfollow };
}
