/** A page with the components, on a real server. The query names what is shown, the user, the language and the theme. */
import { type ReactNode, StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Dropdown, en, TidingsProvider } from "../../src/index.js";

const query = new URLSearchParams(location.search);
const VIEWS: Record<string, ReactNode> = {
  dropdown: (
    <header className="page-bar">
      <strong>Acme</strong>
      <Dropdown pageUrl="#all" />
    </header>
  ),
};
const LANGUAGES = { en };

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
