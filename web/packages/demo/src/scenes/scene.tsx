import { type ReactNode, useEffect } from "react";
import { Panel } from "../parts/basics.js";
import { FollowButton, useFollows } from "../parts/follows.js";
import { type Seeding, SeedProgress, type Step, useSeeding } from "../parts/seed.js";
import { topicOf } from "./seeded.js";

/** What a scene is about, and its way to start. */
export function SceneHead(props: { title: string; text: string; seeding?: Seeding; children?: ReactNode }): ReactNode {
  const { title, text, seeding, children } = props;
  return (
    <header className="scene-head">
      <div className="scene-head__text">
        <h1>{title}</h1>
        <p>{text}</p>
      </div>
      {children && <div className="scene-head__tools">{children}</div>}
      {seeding && <SeedProgress seeding={seeding} what="Preparation" />}
    </header>
  );
}

/** Prepare a scene when it is first shown. What is on the server already is not published again. */
export function usePrepared(steps: readonly Step[]): Seeding {
  const { refresh } = useFollows();
  const seeding = useSeeding(steps, () => void refresh());
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, not for each new function
  useEffect(() => seeding.start(), []);
  return seeding;
}

/** The people of a scene, whom the user may follow. */
export function People({ title, names }: { title: string; names: readonly string[] }): ReactNode {
  return (
    <Panel flush title={title}>
      <ul className="rows">
        {names.map((name) => (
          <li key={name} className="rows__row">
            <span className="rows__name">{name}</span>
            <FollowButton topic={topicOf(name)} />
          </li>
        ))}
      </ul>
    </Panel>
  );
}
