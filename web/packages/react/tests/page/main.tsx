/** A page with the components, on a real server. The query names what is shown, the user, the language and the theme. */
import { type ReactNode, StrictMode } from "react";
import { createRoot } from "react-dom/client";
import {
  ActivityFeed,
  ConnectionStatus,
  Dropdown,
  en,
  FollowButton,
  GlobalActivity,
  InboxPage,
  PreferencesPanel,
  SummaryHeader,
  TidingsProvider,
  Toaster,
  TopList,
  TrendChart,
} from "../../src/index.js";
import { ar } from "../../src/messages/ar.js";
import { lt } from "../../src/messages/lt.js";

const query = new URLSearchParams(location.search);
const TYPES = [
  { type: "comment", label: "Comments", description: "Somebody comments on what you wrote" },
  { type: "forecast", label: "Forecasts", channels: [] },
  { type: "security", label: "Security", critical: true },
];
const VIEWS: Record<string, ReactNode> = {
  dropdown: (
    <header className="page-bar">
      <strong>Acme</strong>
      <ConnectionStatus />
      <Dropdown pageUrl="#all" />
    </header>
  ),
  inbox: (
    <div className="page-column">
      <InboxPage />
    </div>
  ),
  feed: (
    <div className="page-column">
      <SummaryHeader />
      <FollowButton topic="market:1" />
      <ActivityFeed />
    </div>
  ),
  home: (
    <div className="page-grid">
      <GlobalActivity />
      <TopList />
      <div className="tidings-widget">
        <TrendChart query={{ window: "5m" }} />
      </div>
    </div>
  ),
  preferences: (
    <div className="page-column">
      <PreferencesPanel types={TYPES} />
    </div>
  ),
  toasts: <Toaster />,
};
const LANGUAGES = { ar, en, lt };

document.documentElement.lang = query.get("lang") ?? "en";
document.documentElement.dir = query.get("dir") ?? "ltr";
document.documentElement.dataset.theme = query.get("theme") ?? "light";
const messages = LANGUAGES[(query.get("lang") ?? "en") as keyof typeof LANGUAGES];

createRoot(document.getElementById("root") as HTMLElement).render(
  <StrictMode>
    <TidingsProvider user={query.get("user") ?? "nora"} messages={messages}>
      {VIEWS[query.get("show") ?? "dropdown"]}
    </TidingsProvider>
  </StrictMode>,
);
