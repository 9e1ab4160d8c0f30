import type { Reminder } from "@tidings/client";
import { GlobalActivity, useActivityFeed } from "@tidings/react";
import { type ReactNode, useEffect, useState } from "react";
import type { SceneProps } from "../app.js";
import { Button, Empty, Panel, Trouble, useTry } from "../parts/basics.js";
import { FollowButton } from "../parts/follows.js";
import { Groups } from "../parts/groups.js";
import { InboxPanel } from "../parts/inbox.js";
import type { Step } from "../parts/seed.js";
import { declare, follow, fresh, type NewEvent, one, publish, server } from "../server.js";
import { SceneHead, usePrepared } from "./scene.js";
import { act, history, person, spread } from "./seeded.js";

const TOPIC = "scene:market";
const MARKETS = [
  ["rain", "Will it rain in Vilnius on Sunday?"],
  ["rates", "Will the central bank cut rates in June?"],
  ["moon", "Will a crew orbit the Moon this year?"],
  ["cup", "Will the home team win the cup?"],
  ["tram", "Will the new tram line open before autumn?"],
  ["model", "Will an open model lead the ranking in May?"],
] as const;
const TRADERS = [
  "Alice Berg",
  "Bob Cole",
  "Carol Diaz",
  "Dave Eng",
  "Erin Fox",
  "Frank Gil",
  "Grace Hall",
  "Heidi Imber",
] as const;
const LIST: { topic: string } = { topic: TOPIC };
const NOUNS = { forecast: "traders" };
const HISTORY = 40;

type Market = (typeof MARKETS)[number];

const about = ([id, title]: Market): Pick<NewEvent, "object_type" | "object_id" | "object_title" | "topics"> => ({
  object_type: "market",
  object_id: id,
  object_title: title,
  topics: [TOPIC],
});

function forecast(market: Market, name: string = one(TRADERS)): NewEvent {
  return { ...person(name), ...about(market), verb: "forecast", metadata: { chance: 20 + Math.floor(Math.random() * 60) } };
}

function steps(user: string): readonly Step[] {
  return [
    {
      label: "Declare the types",
      run: async (signal) => {
        await declare("market_resolved", RESOLVED, signal);
        await declare("market_closes", CLOSES, signal);
      },
    },
    history("Publish three hours of forecasts", TOPIC, () => spread(HISTORY, 180, () => forecast(one(MARKETS)))),
    {
      label: "Follow the markets",
      run: (signal) => Promise.all(MARKETS.map(([id]) => follow(user, `market:${id}`, 20, signal))),
    },
  ];
}

const RESOLVED = {
  verbs: ["resolve"],
  group: "until_read",
  group_by: "type",
  duplicate_window_s: 0,
  messages: { en: { one: "{object} Resolved: {metadata.answer}", other: "{count} markets resolved" } },
};
const CLOSES = {
  verbs: ["closes_soon"],
  group: "none",
  duplicate_window_s: 0,
  messages: { en: { other: "Closes soon: {object}" } },
  actions: [
    { id: "forecast", label: "Forecast now", style: "primary" },
    { id: "skip", label: "Not this one" },
  ],
};

export default function MarketScene({ user }: SceneProps): ReactNode {
  const seeding = usePrepared(steps(user));
  const [run, error] = useTry();
  const resolve = (): Promise<unknown> =>
    publish(
      [...MARKETS]
        .sort(() => Math.random() - 0.5)
        .slice(0, 3)
        .map((market) => ({
          ...person("Market desk"),
          ...about(market),
          verb: "resolve",
          target_user_ids: [user],
          metadata: { answer: one(["yes", "no"]) },
        })),
    );
  const remind = (): Promise<unknown> => {
    const { topics: _, ...object } = about(one(MARKETS));
    const body = { type: "closes_soon", ...object, ...person("Market desk"), user_ids: [user], after_s: 10 };
    return server(`/v1/reminders/demo-market-${fresh()}`, { method: "PUT", body });
  };
  return (
    <>
      <SceneHead
        title="A prediction market"
        text="Mira follows six markets. Forecasts are grouped by market, resolutions form one notification, and reminders come at their time."
        seeding={seeding}
      >
        <Button
          onClick={() =>
            run(
              act(
                Array.from({ length: 12 }, () => forecast(one(MARKETS))),
                250,
              ),
            )
          }
        >
          A busy moment
        </Button>
        <Button primary onClick={() => run(resolve())}>
          Resolve three markets
        </Button>
        <Button onClick={() => run(remind())}>Remind me in 10 s</Button>
      </SceneHead>
      <Trouble error={error} />
      <div className="columns columns--wide">
        <div className="column">
          <Markets onForecast={(market) => run(publish([forecast(market, "Mira Novak")]))} />
          <Panel flush title="Activity, grouped" aside={<span className="panel__hint">one row for each market</span>}>
            <Groups path="/v1/activity" query={{ topic: TOPIC }} nouns={NOUNS} />
          </Panel>
        </div>
        <div className="column">
          <InboxPanel />
          <Reminders />
          <GlobalActivity title="On the homepage" filter={LIST} />
        </div>
      </div>
    </>
  );
}

function Markets({ onForecast }: { onForecast: (market: Market) => void }): ReactNode {
  const { items } = useActivityFeed(LIST);
  const latest = (id: string): number | undefined => {
    const item = items.find((event) => event.object_id === id && event.verb === "forecast");
    return (item?.metadata as { chance?: number } | undefined)?.chance;
  };
  return (
    <Panel flush title="Markets">
      <ul className="rows">
        {MARKETS.map((market) => {
          const chance = latest(market[0]);
          return (
            <li key={market[0]} className="rows__row">
              <span className="rows__name">{market[1]}</span>
              <svg className="meter" role="img" aria-label={chance === undefined ? "no forecast" : `${chance} % yes`}>
                <rect className="top__track" width="100%" height="100%" rx="3" />
                <rect className="top__fill" width={`${chance ?? 0}%`} height="100%" rx="3" />
              </svg>
              <output className="rows__figure">{chance === undefined ? "–" : `${chance} %`}</output>
              <Button onClick={() => onForecast(market)}>Forecast</Button>
              <FollowButton topic={`market:${market[0]}`} />
            </li>
          );
        })}
      </ul>
    </Panel>
  );
}

function Reminders(): ReactNode {
  const [items, setItems] = useState<readonly Reminder[]>([]);
  useEffect(() => {
    const timer = setInterval(() => {
      server<{ items: Reminder[] }>("/v1/reminders").then(
        (page) => setItems(page.items.filter((item) => item.key.startsWith("demo-market"))),
        () => undefined,
      );
    }, 1_000);
    return () => clearInterval(timer);
  }, []);
  return (
    <Panel flush title="Reminders to come">
      {items.length ? (
        <ul className="rows">
          {items.map(({ key, object_title, due_at }) => (
            <li key={key} className="rows__row">
              <span className="rows__name">{object_title}</span>
              <output className="rows__figure">
                {due_at ? `${Math.max(0, Math.round((new Date(due_at).getTime() - Date.now()) / 1_000))} s` : "now"}
              </output>
            </li>
          ))}
        </ul>
      ) : (
        <Empty title="None" hint="A reminder survives a restart of the server, and fires once." />
      )}
    </Panel>
  );
}
