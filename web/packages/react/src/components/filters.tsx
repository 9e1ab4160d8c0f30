import type { ReactNode } from "react";
import { useTexts } from "../provider.js";

type View = "all" | "unread" | "snoozed" | "archived";

/** Which notifications a list shows. `count` is that of the unread ones, where it is shown. */
export function Filters<V extends View>(props: {
  views: readonly V[];
  view: V;
  count?: number;
  onChange: (view: V) => void;
}): ReactNode {
  const { views, view, count = 0, onChange } = props;
  const texts = useTexts();
  const { messages } = texts;
  return (
    <fieldset className="tidings-filters">
      <legend className="tidings-hidden">{messages.notifications}</legend>
      {views.map((name) => (
        <button
          key={name}
          type="button"
          className="tidings-filter"
          aria-pressed={view === name}
          onClick={() => onChange(name)}
        >
          {messages[name]}
          {name === "unread" && count > 0 && <span className="tidings-filter__count">{texts.number(count)}</span>}
        </button>
      ))}
    </fieldset>
  );
}
