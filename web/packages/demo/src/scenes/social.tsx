import { type ReactNode, useState } from "react";
import type { SceneProps } from "../app.js";
import { Button, Panel, Segments, Trouble, useTry } from "../parts/basics.js";
import { FeedList } from "../parts/feed-list.js";
import type { Step } from "../parts/seed.js";
import { RateChart, TopPanel } from "../parts/trends.js";
import { follow, type NewEvent, one, publish } from "../server.js";
import { People, SceneHead, usePrepared } from "./scene.js";
import { act, history, person, spread, topicOf } from "./seeded.js";

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
    history("Publish an hour of events", TOPIC, () => spread(HISTORY, 58, () => happening())),
    {
      label: "Follow four people",
      run: (signal) => Promise.all(PEOPLE.slice(0, 4).map((name) => follow(user, topicOf(name), 20, signal))),
    },
  ];
}

export default function SocialScene({ user }: SceneProps): ReactNode {
  const seeding = usePrepared(steps(user));
  const [run, error] = useTry();
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
          <People title="People" names={PEOPLE} />
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
