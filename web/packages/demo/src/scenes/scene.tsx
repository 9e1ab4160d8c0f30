import { type ReactNode, useEffect } from "react";
import { type Seeding, SeedProgress } from "../parts/seed.js";

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
      {seeding && <SeedProgress seeding={seeding} what={`Preparing: ${title}`} />}
    </header>
  );
}

/** Start when the scene is first shown. What is on the server already changes nothing: its events have keys. */
export function useStarted({ start }: Seeding): void {
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, not for each new function
  useEffect(() => start(), []);
}
