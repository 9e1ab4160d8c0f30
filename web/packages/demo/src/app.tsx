import { Dropdown, TidingsProvider } from "@tidings/react";
import { type ComponentType, lazy, type ReactNode, Suspense, useEffect, useState } from "react";
import { network } from "./network.js";
import { Avatar, Segments } from "./parts/basics.js";
import { ConnectionPill, ControlBar } from "./parts/controls.js";
import { Skeletons } from "./parts/feed-list.js";
import { FollowsProvider } from "./parts/follows.js";
import { PersonPicker, SUGGESTED } from "./parts/people.js";
import { GitHubScene, type View } from "./scenes/github.js";
import { BASE } from "./server.js";
import { remember, remembered } from "./store.js";
import { PHRASES } from "./texts.js";

/** What a scene that is loaded on demand receives. */
export interface SceneProps {
  readonly user: string;
}

interface Scene {
  readonly label: string;
  /** The person whom the scene is about; undefined: whom the user picks. */
  readonly user?: string;
  readonly View?: ComponentType<SceneProps>;
}

const SCENES = {
  github: { label: "GitHub" },
  market: { label: "Market", user: "mira", View: lazy(() => import("./scenes/market.js")) },
  social: { label: "Mini-feed", user: "nadia", View: lazy(() => import("./scenes/social.js")) },
  hybrid: { label: "Hybrid", user: "rhea", View: lazy(() => import("./scenes/hybrid.js")) },
  parliament: { label: "Parliament", user: "ona", View: lazy(() => import("./scenes/parliament.js")) },
  fasting: { label: "Fasting", user: "ada", View: lazy(() => import("./scenes/fasting.js")) },
} as const satisfies Record<string, Scene>;
type SceneId = keyof typeof SCENES;

/** Without WebSockets: their cookie holds the token of a user, and in dev mode there is none. */
const TRANSPORTS = ["stream", "poll", "list"] as const;

const THEMES = { system: "System", light: "Light", dark: "Dark" } as const;
type Theme = keyof typeof THEMES;

const isScene = (text: string): text is SceneId => Object.hasOwn(SCENES, text);

export function App(): ReactNode {
  const [picked, setPicked] = useState(() => new URLSearchParams(location.search).get("user") ?? SUGGESTED[0]);
  const [scene, setScene] = useState<SceneId>(() => {
    const asked = location.hash.slice(1);
    return isScene(asked) ? asked : "github";
  });
  const [view, setView] = useState<View>("feed");
  const { user = picked, View } = SCENES[scene] as Scene;
  useEffect(() => {
    history.replaceState(null, "", `?user=${encodeURIComponent(picked)}${scene === "github" ? "" : `#${scene}`}`);
  }, [picked, scene]);
  return (
    <TidingsProvider key={user} url={BASE} user={user} runtime={network.runtime} transports={TRANSPORTS} phrases={PHRASES}>
      <FollowsProvider user={user}>
        <header className="bar">
          <a className="bar__brand" href="./">
            <img src="static/icon.svg" alt="" width="24" height="24" />
            Tidings
          </a>
          <nav className="tabs" aria-label="Scenes">
            {(Object.entries(SCENES) as [SceneId, Scene][]).map(([id, { label }]) => (
              <button key={id} type="button" aria-current={id === scene ? "page" : undefined} onClick={() => setScene(id)}>
                {label}
              </button>
            ))}
          </nav>
          <div className="bar__end">
            <ConnectionPill />
            <ThemeSwitch />
            {View ? <Persona user={user} /> : <PersonPicker user={user} onPick={setPicked} />}
            <Dropdown />
          </div>
        </header>
        <ControlBar user={user} />
        <div className="page">
          {View ? (
            <Suspense fallback={<Skeletons />}>
              <View user={user} />
            </Suspense>
          ) : (
            <GitHubScene user={user} view={view} onView={setView} />
          )}
        </div>
        <Footer />
      </FollowsProvider>
    </TidingsProvider>
  );
}

/** The person of a scene. */
function Persona({ user }: { user: string }): ReactNode {
  return (
    <span className="bar__user">
      <Avatar id={user} name={user} />
      {user}
    </span>
  );
}

function ThemeSwitch(): ReactNode {
  const [theme, setTheme] = useState<Theme>(() => {
    const chosen = remembered("theme");
    return chosen === "light" || chosen === "dark" ? chosen : "system";
  });
  const choose = (next: Theme): void => {
    setTheme(next);
    remember("theme", next === "system" ? undefined : next);
    if (next === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
  };
  return (
    <span className="themes">
      <Segments label="Theme" value={theme} options={THEMES} onChange={choose} />
    </span>
  );
}

function Footer(): ReactNode {
  return (
    <footer className="foot">
      <span>Everything here is read and written over the API that your application uses.</span>
      <a href="docs">Routes</a>
      <a href="openapi.json">OpenAPI</a>
      <a href="metrics">Metrics</a>
    </footer>
  );
}
