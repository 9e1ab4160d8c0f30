import type { EventItem, Top } from "@tidings/client";
import { GlobalActivity, Switch, useUnread } from "@tidings/react";
import { type ReactNode, useEffect, useState } from "react";
import { Button, Empty, Figures, Panel, Segments, Trouble, useTry } from "../parts/basics.js";
import { FeedList } from "../parts/feed-list.js";
import { FollowButton, useFollows } from "../parts/follows.js";
import { Groups } from "../parts/groups.js";
import { InboxPanel } from "../parts/inbox.js";
import { SUGGESTED } from "../parts/people.js";
import { PreferencesView } from "../parts/preferences.js";
import { useCurrentSummary } from "../parts/summary.js";
import { RateChart, TopPanel } from "../parts/trends.js";
import { declare, follow, fresh, type NewEvent, one, publish, server } from "../server.js";
import { remember, remembered } from "../store.js";
import { number } from "../texts.js";

const VIEWS = { feed: "Feed", everyone: "Everyone", inbox: "Inbox", trends: "Trends", settings: "Settings" } as const;
export type View = keyof typeof VIEWS;
const repository = (item: EventItem): string => `${item.object_type}:${item.object_id}`;
/** How many of the most active repositories a new reader follows at once. */
const MANY = 10;

export function GitHubScene({ user, view, onView }: { user: string; view: View; onView: (view: View) => void }): ReactNode {
  useEffect(() => {
    for (const [verb, text] of Object.entries(TEXTS)) void declare(verb, typeOf(verb, text)).catch(() => undefined);
  }, []);
  return (
    <div className="github">
      <nav className="views" aria-label="Views">
        <Segments label="View" value={view} options={VIEWS} onChange={onView} />
      </nav>
      <aside className="github__side" data-view={view}>
        <Profile user={user} />
        <TryPanel user={user} />
        <Following />
      </aside>
      <main className="github__main" data-view={view}>
        {(view === "feed" || view === "trends") && <FeedPanel />}
        {view === "everyone" && (
          <Panel flush title="Everyone" aside={<span className="panel__hint">all public events</span>}>
            <FeedList list="activity" topicOf={repository} />
          </Panel>
        )}
        {view === "inbox" && <InboxPanel />}
        {view === "settings" && <PreferencesView />}
      </main>
      <aside className="github__rail" data-view={view}>
        <RateChart />
        <TopPanel follow />
        <GlobalActivity title="Everyone, just now" limit={5} />
      </aside>
    </div>
  );
}

function Profile({ user }: { user: string }): ReactNode {
  const { unread_count, unread_items } = useUnread();
  const data = useCurrentSummary();
  const { topics } = useFollows();
  const figures = [
    ["Unread", unread_count, `${number(unread_items)} events in them`],
    ["In the feed", data?.total, `${number(data?.unread_count ?? 0)} unread`],
    ["Following", topics?.length, "people and repositories"],
  ] as const;
  return (
    <Panel title={user}>
      <Figures figures={figures} />
    </Panel>
  );
}

function FeedPanel(): ReactNode {
  const [hideRead, setHideRead] = useState(false);
  const [grouped, setGrouped] = useState(false);
  return (
    <Panel
      flush
      title="Feed"
      aside={
        <span className="panel__tools">
          <Switch on={grouped} label="Group" onChange={setGrouped} />
          <Switch on={hideRead} label="Hide read" onChange={setHideRead} />
        </span>
      }
    >
      {grouped ? (
        <Groups path="/v1/feed" query={hideRead ? { read: "false" } : {}} />
      ) : (
        <FeedList hideRead={hideRead} topicOf={repository} empty={<EmptyFeed hideRead={hideRead} />} />
      )}
    </Panel>
  );
}

/** Follow what is most active now: the feed fills from then on. */
function EmptyFeed({ hideRead }: { hideRead: boolean }): ReactNode {
  const [begin, pending, error] = useFollowMany();
  const { topics } = useFollows();
  if (hideRead) return <Empty title="Everything is read" hint="Unread events appear here as they happen." />;
  return (
    <Empty
      title={topics?.length ? "Nothing here yet" : "This person follows nobody yet"}
      hint="The feed has what followed people do, and what happens in followed repositories."
    >
      <Button primary disabled={pending} onClick={begin}>
        Follow the {MANY} most active repositories
      </Button>
      <Trouble error={error} />
    </Empty>
  );
}

function useFollowMany(): [begin: () => void, pending: boolean, error: string | undefined] {
  const { user, refresh } = useFollows();
  const [pending, setPending] = useState(false);
  const [run, error] = useTry();
  const begin = async (): Promise<void> => {
    setPending(true);
    try {
      const top = await server<Top>("/v1/top", {
        query: { window: "1h", by: "object", object_type: "repository", limit: String(MANY) },
      });
      await Promise.all(top.items.map(({ object_type, object_id }) => follow(user, `${object_type}:${object_id}`)));
      await refresh();
    } finally {
      setPending(false);
    }
  };
  return [() => run(begin()), pending, error];
}

const SHOWN = 12;

/** What the person follows. The first person of a new browser follows what is active, so that the feed is not empty. */
function Following(): ReactNode {
  const { topics, user } = useFollows();
  const [begin, pending, error] = useFollowMany();
  const first = user === SUGGESTED[0] && topics?.length === 0 && remembered("followed") === undefined;
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, not for each new function
  useEffect(() => {
    if (!first) return;
    remember("followed", "yes");
    begin();
  }, [first]);
  return (
    <Panel flush title="Following" aside={topics && <span className="panel__hint">{number(topics.length)}</span>}>
      {!topics?.length ? (
        <Empty title="Nobody yet">
          <Button disabled={pending} onClick={begin}>
            Follow the {MANY} most active
          </Button>
          <Trouble error={error} />
        </Empty>
      ) : (
        <ul className="topics">
          {topics.slice(0, SHOWN).map((topic) => (
            <li key={topic}>
              <span className="topics__name" title={topic}>
                {topic.slice(topic.indexOf(":") + 1)}
              </span>
              <FollowButton topic={topic} />
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}

const FANS = ["Ada", "Bo", "Cy", "Di", "Eli", "Fay", "Gus", "Hana", "Ivo", "Joy"] as const;

/** What others may do now, so that the bell can be tried without waiting. */
function TryPanel({ user }: { user: string }): ReactNode {
  const [run, error] = useTry();
  const project = {
    object_type: "repository",
    object_id: `${user}/docs`,
    object_title: `${user}/docs`,
    target_user_ids: [user],
  };
  const star = (name: string): NewEvent => ({
    ...project,
    actor_id: `${name.toLowerCase()}-${fresh()}`,
    actor_name: name,
    verb: "watch",
    metadata: { action: "started" },
  });
  const review = (): NewEvent => ({
    ...project,
    actor_id: "hana",
    actor_name: "Hana",
    verb: "review_requested",
    object_type: "pull_request",
    object_id: `${user}/docs/${fresh()}`,
    object_title: "Describe the cursor of a stream",
  });
  return (
    <Panel title="Let others act">
      <div className="try">
        <Button onClick={() => run(publish([star(one(FANS))]))}>Star my project</Button>
        <Button onClick={() => run(publish(FANS.map(star)))}>Ten stars</Button>
        <Button onClick={() => run(declare("review_requested", REVIEW).then(() => publish([review()])))}>
          Ask for a review
        </Button>
      </div>
      <p className="panel__note">
        Stars of one project form one notification. A review can be accepted or declined in the bell.
      </p>
      <Trouble error={error} />
    </Panel>
  );
}

const REVIEW = {
  verbs: ["review_requested"],
  group: "none",
  messages: { en: { other: "{actors} asks you to review {title}" } },
  actions: [
    { id: "accept", label: "Accept", style: "primary", verb: "review_accepted" },
    { id: "decline", label: "Decline" },
  ],
};

/** What the inbox says of the verbs of the sample; `{actors}` are "Ann, Bo and 3 others". */
const TEXTS = {
  watch: "{actors} starred {object}",
  fork: "{actors} forked {object}",
  issue_comment: "{actors} commented on issues of {object}",
  commit_comment: "{actors} commented on commits of {object}",
  pull_request_review_comment: "{actors} reviewed pull requests of {object}",
} as const;

const typeOf = (verb: string, text: string): object => ({ verbs: [verb], messages: { en: { other: text } } });
