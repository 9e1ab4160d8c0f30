import type { FeedItem, Reminder, Summary } from "@tidings/client";
import { Switch, useClient } from "@tidings/react";
import { type ReactNode, useCallback, useEffect, useState } from "react";
import type { SceneProps } from "../app.js";
import { Button, Figures, Panel, Segments, Trouble, useTry } from "../parts/basics.js";
import { FeedList } from "../parts/feed-list.js";
import { InboxPanel } from "../parts/inbox.js";
import type { Step } from "../parts/seed.js";
import { useCurrentSummary } from "../parts/summary.js";
import { declare, follow, fresh, type NewEvent, one, publish, server } from "../server.js";
import { wordOf } from "../texts.js";
import { SceneHead, usePrepared } from "./scene.js";
import { minutesAgo, publishAll } from "./seeded.js";

const DAY = 24 * 60;
const DAYS = 14;
const GOAL = {
  verbs: ["fast_goal"],
  group: "none",
  duplicate_window_s: 0,
  actions: [
    { id: "end", label: "End my fast", style: "primary" },
    { id: "go-on", label: "Go on" },
  ],
};
const KINDS = { all: "All", fast_finished: "Fasts", water: "Water", weight: "Weight" } as const;
type Kind = keyof typeof KINDS;
const NO_FILTER = {};
const EVENING = "demo-fasting-evening";

const diary = (user: string): string => `diary:${user}`;

/** An entry of the diary: the application is the actor, and nobody but its user sees it. */
function entry(user: string, verb: Exclude<Kind, "all">, title: string, created_at?: string): NewEvent {
  return {
    actor_id: "fasting-app",
    actor_name: "Fasting app",
    verb,
    object_type: verb === "fast_finished" ? "fast" : "entry",
    object_id: fresh(),
    title,
    topics: [diary(user)],
    visibility: "followers",
    ...(created_at ? { created_at, notify: false } : { target_user_ids: [user] }),
  };
}

const fast = (user: string, at?: string): NewEvent =>
  entry(user, "fast_finished", `You fasted for ${one([14, 15, 16, 17, 18])} hours`, at);
const water = (user: string, at?: string): NewEvent => entry(user, "water", `${one([250, 300, 500])} ml of water`, at);
const weight = (user: string, at?: string): NewEvent =>
  entry(user, "weight", `${(71 + Math.random() * 2).toFixed(1)} kg this morning`, at);

function history(user: string): NewEvent[] {
  return Array.from({ length: DAYS }, (_, at) => DAYS - at).flatMap((day) => [
    weight(user, minutesAgo(day * DAY + 600)),
    water(user, minutesAgo(day * DAY + 300)),
    fast(user, minutesAgo(day * DAY + 60)),
  ]);
}

function steps(user: string): readonly Step[] {
  return [
    { label: "Declare the type of reminders", run: (signal) => declare("fast_goal", GOAL, signal) },
    {
      label: "Import two weeks of the diary",
      run: async (signal, progress) => {
        // Others do not see the diary, so its owner's own feed says whether it is there.
        const before = await server<Summary>("/v1/feed/summary", { query: { user_id: user }, signal });
        if (before.total === 0) await publishAll(history(user), signal, progress);
      },
    },
    { label: "Build the feed from it", run: (signal) => follow(user, diary(user), 100, signal) },
  ];
}

export default function FastingScene({ user }: SceneProps): ReactNode {
  const seeding = usePrepared(steps(user));
  const client = useClient();
  const [kind, setKind] = useState<Kind>("all");
  const [hideRead, setHideRead] = useState(false);
  const [run, error] = useTry();
  const remind = (): Promise<unknown> =>
    server(`/v1/reminders/demo-fasting-${fresh()}`, {
      method: "PUT",
      body: {
        type: "fast_goal",
        object_type: "fast",
        object_id: fresh(),
        user_ids: [user],
        title: "You reached 16 hours",
        after_s: 5,
      },
    });
  const retract = async (): Promise<void> => {
    const oldest = client.feed().get().items.at(-1) as FeedItem | undefined;
    if (oldest) await server(`/v1/events/${oldest.event_id}`, { method: "DELETE" });
  };
  const filter = kind === "all" ? NO_FILTER : FILTERS[kind];
  return (
    <>
      <SceneHead
        title="A fasting diary"
        text="Ada’s diary is a feed that nobody else sees. Its summary is exact, entries have a read state, and reminders carry actions."
        seeding={seeding}
      >
        <Button primary onClick={() => run(publish([fast(user)]))}>
          Finish a fast
        </Button>
        <Button onClick={() => run(publish([water(user)]))}>Drink water</Button>
        <Button onClick={() => run(remind())}>Goal in 5 s</Button>
      </SceneHead>
      <Trouble error={error} />
      <Overview />
      <div className="columns columns--wide">
        <div className="column">
          <Panel
            flush
            title="Diary"
            aside={
              <span className="panel__tools">
                <Segments label="Kind" value={kind} options={KINDS} onChange={setKind} />
                <Switch on={hideRead} label="Hide read" onChange={setHideRead} />
              </span>
            }
          >
            <FeedList filter={filter} hideRead={hideRead} />
          </Panel>
        </div>
        <div className="column">
          <InboxPanel />
          <Evening user={user} run={run} />
          <Panel title="What is kept">
            <p className="prose">
              Events are kept until the application retracts them, and a person can be exported or erased as a whole.
              Retention by type and age does not exist yet.
            </p>
            <div className="try">
              <Button onClick={() => run(retract())}>Retract the oldest entry shown</Button>
              <a className="tidings-button" href={`v1/users/${encodeURIComponent(user)}/export`} download={`${user}.ndjson`}>
                Export everything
              </a>
            </div>
          </Panel>
        </div>
      </div>
    </>
  );
}

const FILTERS = {
  fast_finished: { verb: "fast_finished" },
  water: { verb: "water" },
  weight: { verb: "weight" },
} as const;

/** The summary of the whole feed. */
function Overview(): ReactNode {
  const summary = useCurrentSummary();
  const figures: readonly (readonly [string, number | undefined])[] = [
    ["Entries", summary?.total],
    ["Unread", summary?.unread_count],
    ["Read", summary?.read_count],
    ...Object.entries(summary?.verbs ?? {}).map(([verb, count]) => [wordOf(verb), count] as const),
  ];
  return <Figures figures={figures} wide />;
}

/** A reminder for each evening, in the time zone of the browser. */
function Evening({ user, run }: { user: string; run: (work: Promise<unknown>) => void }): ReactNode {
  const [reminder, setReminder] = useState<Reminder>();
  const look = useCallback(
    () =>
      server<{ items: Reminder[] }>("/v1/reminders").then(
        ({ items }) => setReminder(items.find((item) => item.key === EVENING)),
        () => undefined,
      ),
    [],
  );
  useEffect(() => void look(), [look]);
  const change = async (on: boolean): Promise<void> => {
    const evening = new Date();
    evening.setHours(20, 0, 0, 0);
    if (evening.getTime() < Date.now()) evening.setDate(evening.getDate() + 1);
    const body = {
      type: "fast_begin",
      object_type: "diary",
      object_id: user,
      user_ids: [user],
      title: "Time to begin your fast",
      deliver_at: evening.toISOString(),
      every: "P1D",
      time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    };
    await server(`/v1/reminders/${EVENING}`, on ? { method: "PUT", body } : { method: "DELETE" });
    await look();
  };
  return (
    <Panel title="Each evening">
      <Switch on={reminder !== undefined} label="Remind me to begin at 20:00" onChange={(on) => run(change(on))} />
      <p className="panel__note">
        {reminder?.due_at
          ? `Next: ${new Date(reminder.due_at).toLocaleString()}, ${reminder.time_zone}`
          : "No reminder is set."}
      </p>
    </Panel>
  );
}
