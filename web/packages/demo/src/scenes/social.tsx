import { type ReactNode, useState } from "react";
import type { SceneProps } from "../app.js";
import { Button, Panel, Segments, Trouble } from "../parts/basics.js";
import { FeedList } from "../parts/feed-list.js";
import { FollowButton } from "../parts/follows.js";
import type { Step } from "../parts/seed.js";
import { RateChart, TopPanel } from "../parts/trends.js";
import { follow, type NewEvent, publish } from "../server.js";
import { SceneHead, usePrepared } from "./scene.js";
import { act, isSeeded, minutesAgo, one, person, publishAll } from "./seeded.js";

const TOPIC = "scene:social";
const PEOPLE = ["Omar Reyes", "Pia Sund", "Quinn Tan", "Rosa Ude", "Sven Vik", "Tara West"] as const;
const OBJECTS = [
  ["photo", "sunrise", "Sunrise over the bay"],
  ["photo", "market", "The market at noon"],
  ["article", "queues", "Queues without tears"],
  ["article", "clocks", "What clocks cannot tell"],
  ["video", "tour", "A tour of the workshop"],
  ["poll", "tabs", "Tabs or spaces?"],
] as const;
const VERBS = { like: "like", comment: "comment", share: "share", post: "post" } as const;
const WEIGHTED = ["like", "like", "like", "comment", "comment", "share", "post"] as const;
const HISTORY = 60;
const BURST = 40;

function happening(verb: string = one(WEIGHTED), name: string = one(PEOPLE), object = one(OBJECTS)): NewEvent {
  const [object_type, object_id, object_title] = object;
  return { ...person(name), verb, object_type, object_id, object_title, topics: [TOPIC] };
}

function steps(user: string): readonly Step[] {
  return [
    {
      label: "Publish an hour of events",
      run: async (signal, progress) => {
        if (await isSeeded(TOPIC, signal)) return;
        const events = Array.from({ length: HISTORY }, (_, at) => ({
          ...happening(),
          created_at: minutesAgo((58 * (HISTORY - at)) / HISTORY),
        }));
        await publishAll(events, signal, progress);
      },
    },
    {
      label: "Follow four people",
      run: (signal) =>
        Promise.all(PEOPLE.slice(0, 4).map((name) => follow(user, `user:${person(name).actor_id}`, 20, signal))),
    },
  ];
}

export default function SocialScene({ user }: SceneProps): ReactNode {
  const seeding = usePrepared(steps(user));
  const [error, setError] = useState<string>();
  const run = (work: Promise<unknown>): void => {
    setError(undefined);
    work.catch((failure: unknown) => setError(String(failure)));
  };
  return (
    <>
      <SceneHead
        title="A social mini-feed"
        text="Whatever people do is one POST. It reaches the feeds of their followers, and counts in exact sliding windows: by verb, object and type."
        seeding={seeding}
      >
        <Button
          primary
          onClick={() =>
            run(
              act(
                Array.from({ length: BURST }, () => happening()),
                100,
              ),
            )
          }
        >
          {BURST} events in four seconds
        </Button>
      </SceneHead>
      <Trouble error={error} />
      <div className="columns columns--wide">
        <div className="column">
          <Composer onPublish={(event) => run(publish([event]))} />
          <Panel flush title="Nadia’s feed" aside={<span className="panel__hint">what the people she follows do</span>}>
            <FeedList topicOf={(item) => `user:${item.actor_id}`} />
          </Panel>
        </div>
        <div className="column">
          <RateChart topic={TOPIC} title="Events a second, of this scene" />
          <TopPanel topic={TOPIC} title="By verb" by="verb" limit={10} window="1h" />
          <TopPanel topic={TOPIC} title="By object" by="object" limit={10} window="1h" />
          <TopPanel topic={TOPIC} title="By type" by="object_type" limit={10} window="1h" />
          <Panel flush title="People">
            <ul className="rows">
              {PEOPLE.map((name) => (
                <li key={name} className="rows__row">
                  <span className="rows__name">{name}</span>
                  <FollowButton topic={`user:${person(name).actor_id}`} />
                </li>
              ))}
            </ul>
          </Panel>
        </div>
      </div>
    </>
  );
}

function Composer({ onPublish }: { onPublish: (event: NewEvent) => void }): ReactNode {
  const [name, setName] = useState<string>(PEOPLE[0]);
  const [verb, setVerb] = useState<keyof typeof VERBS>("like");
  const [object, setObject] = useState(0);
  const event = happening(verb, name, OBJECTS[object]);
  return (
    <Panel title="Publish">
      <div className="composer">
        <label className="field">
          <span>Actor</span>
          <select value={name} onChange={(change) => setName(change.target.value)}>
            {PEOPLE.map((one) => (
              <option key={one}>{one}</option>
            ))}
          </select>
        </label>
        <div className="field">
          <span aria-hidden="true">Verb</span>
          <Segments label="Verb" value={verb} options={VERBS} onChange={setVerb} />
        </div>
        <label className="field field--wide">
          <span>Object</span>
          <select value={object} onChange={(change) => setObject(Number(change.target.value))}>
            {OBJECTS.map(([type, id, title], at) => (
              <option key={id} value={at}>
                {title} ({type})
              </option>
            ))}
          </select>
        </label>
        <Button primary onClick={() => onPublish(event)}>
          Publish
        </Button>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be in reach of the keyboard */}
      <pre className="code" tabIndex={0}>
        {`POST /v1/events\n${JSON.stringify(event, null, 2)}`}
      </pre>
    </Panel>
  );
}
