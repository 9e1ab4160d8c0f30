import type { Topic } from "@tidings/client";
import { useActivityFeed } from "@tidings/react";
import { type ReactNode, useEffect, useRef, useState } from "react";
import type { SceneProps } from "../app.js";
import { useLive } from "../live.js";
import { Avatar, Button, Panel, Trouble, useTry } from "../parts/basics.js";
import { FeedList } from "../parts/feed-list.js";
import { SeedProgress, type Step, useSeeding } from "../parts/seed.js";
import { follow, fresh, type NewEvent, publish, server } from "../server.js";
import { number } from "../texts.js";
import { SceneHead, usePrepared } from "./scene.js";
import { history, minutesAgo, person, topicOf } from "./seeded.js";

const TOPIC = "scene:hybrid";
const STAR = "Nova Starr";
const FRIEND = "Finn Moss";
const TEXTS = ["On tour again", "A new song is out", "Thank you, Riga", "Rehearsal", "The setlist"];
const FOLLOWERS = 10_000;
/** Follows in one request: some hundred milliseconds each, so that the progress is smooth. */
const PORTION = 500;
const EVERY_MS = 1_000;

function post(name: string, text: string): NewEvent {
  return { ...person(name), verb: "post", object_type: "post", object_id: fresh(), object_title: text, topics: [TOPIC] };
}

function steps(user: string): readonly Step[] {
  return [
    history("Publish some posts", TOPIC, () =>
      TEXTS.flatMap((text, at) => [
        { ...post(STAR, text), created_at: minutesAgo(50 - at * 9) },
        { ...post(FRIEND, `Day ${at + 1} of the garden`), created_at: minutesAgo(46 - at * 9) },
      ]),
    ),
    {
      label: "Follow both",
      run: (signal) => Promise.all([STAR, FRIEND].map((name) => follow(user, topicOf(name), 20, signal))),
    },
  ];
}

/** Follow, or unfollow, for all of the audience. */
function audience(method: "POST" | "DELETE", label: string): readonly Step[] {
  const run: Step["run"] = async (signal, progress) => {
    for (let at = 0; at < FOLLOWERS; at += PORTION) {
      const body = Array.from({ length: PORTION }, (_, n) => ({ user_id: `fan-${at + n}`, topic: topicOf(STAR) }));
      await server("/v1/follows", { method, body, signal });
      progress((at + PORTION) / FOLLOWERS);
    }
  };
  return [{ label, run }];
}

export default function HybridScene({ user }: SceneProps): ReactNode {
  const seeding = usePrepared(steps(user));
  const gaining = useSeeding(audience("POST", `${number(FOLLOWERS)} people follow Nova`));
  const losing = useSeeding(audience("DELETE", `${number(FOLLOWERS)} people unfollow Nova`));
  const [run, error] = useTry();
  const [delays, published] = useDelays();
  const says = (name: string): void => {
    const event = post(name, `${name.split(" ")[0]} at ${new Date().toLocaleTimeString()}`);
    published(event.object_id);
    run(publish([event]));
  };
  const busy = gaining.state === "running" || losing.state === "running";
  return (
    <>
      <SceneHead
        title="A hybrid feed"
        text="A post is written into each follower’s feed, or merged when a feed is read. The server decides for each topic, says which, and why. Readers see no difference."
        seeding={seeding}
      >
        <Button
          primary
          disabled={busy}
          onClick={() => {
            losing.cancel();
            gaining.start();
          }}
        >
          Give Nova {number(FOLLOWERS)} followers
        </Button>
        <Button disabled={busy} onClick={losing.start}>
          Take them away
        </Button>
      </SceneHead>
      {(gaining.state !== "idle" || losing.state !== "idle") && (
        <div className="seeds">
          <SeedProgress seeding={gaining} what={`${number(FOLLOWERS)} follows`} />
          <SeedProgress seeding={losing} what={`${number(FOLLOWERS)} unfollows`} />
        </div>
      )}
      <Trouble error={error} />
      <div className="columns">
        <div className="column">
          <ModePanel name={STAR} onPost={() => says(STAR)} />
          <ModePanel name={FRIEND} onPost={() => says(FRIEND)} />
        </div>
        <div className="column">
          <Panel
            flush
            title="Rhea’s feed"
            aside={
              <span className="panel__hint">{delays.length ? `last post shown after ${delays[0]} ms` : "of both"}</span>
            }
          >
            <FeedList />
          </Panel>
        </div>
      </div>
    </>
  );
}

/** How many milliseconds after its POST each post was in the feed, newest first. */
function useDelays(): [delays: readonly number[], published: (id: string) => void] {
  const { items } = useActivityFeed();
  const sent = useRef(new Map<string, number>());
  const [delays, setDelays] = useState<readonly number[]>([]);
  useEffect(() => {
    for (const { object_id } of items.slice(0, 5)) {
      const at = sent.current.get(object_id);
      if (at === undefined) continue;
      sent.current.delete(object_id);
      setDelays((before) => [Math.round(performance.now() - at), ...before].slice(0, 5));
    }
  }, [items]);
  return [delays, (id) => void sent.current.set(id, performance.now())];
}

interface Change {
  readonly at: string;
  readonly mode: Topic["fan_out"];
  readonly followers: number;
}

function ModePanel({ name, onPost }: { name: string; onPost: () => void }): ReactNode {
  const topic = useLive<Topic>(`/v1/topics/${encodeURIComponent(topicOf(name))}`, {}, EVERY_MS);
  const [changes, setChanges] = useState<readonly Change[]>([]);
  const mode = topic?.fan_out;
  useEffect(() => {
    if (!topic) return;
    setChanges((before) => {
      if (before[0]?.mode === topic.fan_out) return before;
      return [{ at: new Date().toLocaleTimeString(), mode: topic.fan_out, followers: topic.followers }, ...before].slice(
        0,
        6,
      );
    });
  }, [topic]);
  return (
    <Panel title={name} aside={<Button onClick={onPost}>{name.split(" ")[0]} posts</Button>}>
      <div className="mode">
        <Avatar id={person(name).actor_id} name={name} />
        <p className={mode === "read" ? "mode__badge mode__badge--read" : "mode__badge"}>
          {mode ? `fan-out on ${mode}` : "…"}
        </p>
        <p className="mode__followers">
          <strong>{topic ? number(topic.followers) : "–"}</strong> followers
        </p>
      </div>
      <p className="mode__reason">{topic?.reason}</p>
      {topic?.viewer && (
        <p className="panel__note">
          For Rhea: {topic.viewer.follows ? `follows, fan-out on ${topic.viewer.fan_out}` : "does not follow"}
        </p>
      )}
      {changes.length > 1 && (
        <ol className="changes" aria-label="Changes of the mode">
          {changes.map(({ at, mode: was, followers }) => (
            <li key={at}>
              <time>{at}</time> fan-out on {was} at {number(followers)} followers
            </li>
          ))}
        </ol>
      )}
    </Panel>
  );
}
