import type { Top } from "@tidings/client";
import { type KeyboardEvent, type ReactNode, useEffect, useId, useRef, useState } from "react";
import { server } from "../server.js";
import { number } from "../texts.js";
import { Avatar } from "./basics.js";

/** People of the samples whom others notify most. */
export const SUGGESTED = [
  "lunar-wren-942",
  "silver-ibex-624",
  "snowy-cougar-586",
  "kind-sparrow-683",
  "scarlet-jackal-211",
  "serene-viper-664",
  "hardy-swift-253",
  "modest-viper-136",
] as const;
const SHOWN = 12;

interface Person {
  readonly id: string;
  readonly note: string;
}

/** Choose whose feed and inbox are shown: suggested people, the most active ones, or any name. */
export function PersonPicker({ user, onPick }: { user: string; onPick: (user: string) => void }): ReactNode {
  const [open, setOpen] = useState(false);
  const [text, setText] = useState("");
  const [active, setActive] = useState(0);
  const [top, setTop] = useState<Top>();
  const root = useRef<HTMLDivElement>(null);
  const id = useId();
  useEffect(() => {
    if (!open) return undefined;
    server<Top>("/v1/top", { query: { window: "1h", by: "actor", limit: "100" } }).then(setTop, () => undefined);
    const leave = (event: Event): void => {
      if (!root.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener("pointerdown", leave);
    return () => document.removeEventListener("pointerdown", leave);
  }, [open]);
  const people: Person[] = [
    ...SUGGESTED.map((one) => ({ id: one, note: "notified often" })),
    ...(top?.items ?? []).map(({ key, count }) => ({ id: key, note: `${number(count)} events in the last hour` })),
  ].filter((one, at, all) => all.findIndex((other) => other.id === one.id) === at);
  const wanted = text.trim().toLowerCase();
  const found = people.filter((one) => one.id.toLowerCase().includes(wanted)).slice(0, SHOWN);
  if (wanted && !found.some((one) => one.id === text.trim())) found.push({ id: text.trim(), note: "any name works" });
  const pick = (one: Person | undefined): void => {
    setOpen(false);
    setText("");
    if (one && one.id !== user) onPick(one.id);
    root.current?.querySelector("button")?.focus();
  };
  const keys = (event: KeyboardEvent): void => {
    const steps: Readonly<Record<string, number>> = { ArrowDown: 1, ArrowUp: -1 };
    const step = steps[event.key];
    if (step) setActive((active + step + found.length) % Math.max(1, found.length));
    else if (event.key === "Enter") pick(found[active]);
    else if (event.key === "Escape") pick(undefined);
    else return;
    event.preventDefault();
  };
  return (
    <div className="picker" ref={root}>
      <button
        type="button"
        className="picker__button"
        aria-haspopup="dialog"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
      >
        <Avatar id={user} name={user} />
        <span className="picker__name">{user}</span>
        <svg viewBox="0 0 16 16" aria-hidden="true">
          <path d="m4 6 4 4 4-4" />
        </svg>
      </button>
      {open && (
        <div className="picker__panel" role="dialog" aria-label="Choose a person">
          <input
            className="picker__search"
            // biome-ignore lint/a11y/noAutofocus: the user has just opened the dialog, of which it is the first control
            autoFocus
            role="combobox"
            aria-expanded="true"
            aria-controls={`${id}-list`}
            aria-activedescendant={found[active] && `${id}-${active}`}
            aria-label="Search people"
            placeholder="Search people"
            spellCheck={false}
            value={text}
            onChange={(event) => {
              setText(event.target.value);
              setActive(0);
            }}
            onKeyDown={keys}
          />
          <div className="picker__list" id={`${id}-list`} role="listbox" aria-label="People">
            {found.map((one, at) => (
              // biome-ignore lint/a11y/useFocusableInteractive: the combobox has the focus, and names the active option
              // biome-ignore lint/a11y/useKeyWithClickEvents: the combobox has the keys
              <div
                key={one.id}
                id={`${id}-${at}`}
                role="option"
                aria-selected={at === active}
                className="picker__option"
                onPointerMove={() => setActive(at)}
                onClick={() => pick(one)}
              >
                <Avatar id={one.id} name={one.id} />
                <span className="picker__name">{one.id}</span>
                <span className="picker__note">{one.id === user ? "shown now" : one.note}</span>
              </div>
            ))}
          </div>
        </div>
      )}
    </div>
  );
}
