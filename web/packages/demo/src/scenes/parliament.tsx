import { Switch, Toaster } from "@tidings/react";
import { type ReactNode, useState } from "react";
import type { SceneProps } from "../app.js";
import { Button, Panel, Trouble, useTry } from "../parts/basics.js";
import { FeedList } from "../parts/feed-list.js";
import { InboxPanel } from "../parts/inbox.js";
import type { Step } from "../parts/seed.js";
import { declare, follow, type NewEvent, one, publish } from "../server.js";
import { People, SceneHead, usePrepared } from "./scene.js";
import { act, history, person, spread, topicOf } from "./seeded.js";

const TOPIC = "scene:parliament";
const MEMBERS = ["Ada Lind", "Boris Mann", "Clara Nord", "David Olsen", "Elena Petit"] as const;
const FOLLOWED = MEMBERS.slice(0, 3);
const BILLS = ["Water Bill", "Harbour Bill", "Open Data Bill", "School Meals Bill"] as const;
const SPEECHES = [
  "On the rivers of the north",
  "Who pays for the pipes",
  "A harbour for all",
  "Numbers that anybody may check",
] as const;
const HISTORY = 24;
const VOTE = { verbs: ["voted"], notify: ["targets", "actor_followers"], group: "none", duplicate_window_s: 0 };

const about = (bill: string): Pick<NewEvent, "object_type" | "object_id" | "object_title" | "topics"> => ({
  object_type: "bill",
  object_id: bill.toLowerCase().replaceAll(" ", "-"),
  object_title: bill,
  topics: [TOPIC],
});

function speech(member: string = one(FOLLOWED)): NewEvent {
  const bill = one(BILLS);
  return { ...person(member), ...about(bill), verb: "spoke", title: one(SPEECHES), description: `On the ${bill}` };
}

function vote(member: string = one(FOLLOWED)): NewEvent {
  const bill = one(BILLS);
  const answer = one(["yes", "no"] as const);
  return {
    ...person(member),
    ...about(bill),
    verb: "voted",
    title: `${member} voted ${answer} on the ${bill}`,
    metadata: { vote: answer },
  };
}

function steps(user: string): readonly Step[] {
  return [
    { label: "Declare the type “vote”", run: (signal) => declare("vote", VOTE, signal) },
    history("Publish two days of the record", TOPIC, () =>
      spread(HISTORY, 2_880, (at) => ({ ...(at % 3 ? speech(one(MEMBERS)) : vote(one(MEMBERS))), notify: false })),
    ),
    {
      label: "Follow three members",
      run: (signal) => Promise.all(FOLLOWED.map((name) => follow(user, topicOf(name), 50, signal))),
    },
  ];
}

export default function ParliamentScene({ user }: SceneProps): ReactNode {
  const seeding = usePrepared(steps(user));
  const [hideRead, setHideRead] = useState(false);
  const [held, setHeld] = useState(false);
  const [run, error] = useTry();
  return (
    <>
      <SceneHead
        title="A parliament watch"
        text="Ona follows three members. Each item has a read state, votes notify, new items wait behind a pill while she reads, and a toast says what has just happened."
        seeding={seeding}
      >
        <Button onClick={() => run(publish([speech()]))}>A speech</Button>
        <Button primary onClick={() => run(publish([vote()]))}>
          A vote
        </Button>
        <Button
          onClick={() =>
            run(
              act(
                Array.from({ length: 10 }, (_, at) => (at % 4 ? speech() : vote())),
                400,
              ),
            )
          }
        >
          A busy sitting
        </Button>
      </SceneHead>
      <Trouble error={error} />
      <div className="columns columns--wide">
        <div className="column">
          <Panel
            flush
            title="Ona’s feed"
            aside={
              <span className="panel__tools">
                <Switch on={held} label="Hold new items" onChange={setHeld} />
                <Switch on={hideRead} label="Hide read" onChange={setHideRead} />
              </span>
            }
          >
            <FeedList held={held} hideRead={hideRead} />
          </Panel>
        </div>
        <div className="column">
          <InboxPanel />
          <People title="Members" names={MEMBERS} />
        </div>
      </div>
      <Toaster />
    </>
  );
}
