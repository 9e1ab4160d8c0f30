import { type ReactNode, useState, useSyncExternalStore } from "react";
import { ago, number, PHRASES, wordOf } from "../texts.js";

const HUES = 8;

/** The first letters of a name on a colour that belongs to the id; `styles.css` of the package has both. */
export function Avatar({ id, name }: { id: string; name: string }): ReactNode {
  let hash = 0;
  for (const letter of id) hash = (hash * 31 + (letter.codePointAt(0) ?? 0)) >>> 0;
  const words = name.split(/[\s_.-]+/).filter((word) => /\p{L}/u.test(word));
  const initials = [words[0], words.length > 1 ? words.at(-1) : ""].map((word) => word?.[0] ?? "").join("");
  return (
    <span className={`tidings-avatar tidings-avatar--${hash % HUES}`} aria-hidden="true">
      {initials.toUpperCase()}
    </span>
  );
}

let now = Date.now();
function everyTick(listener: () => void): () => void {
  const timer = setInterval(() => {
    now = Date.now();
    listener();
  }, 10_000);
  return () => clearInterval(timer);
}

export function Time({ at }: { at: string }): ReactNode {
  const time = useSyncExternalStore(everyTick, () => now);
  return (
    <time className="time" dateTime={at} title={new Date(at).toLocaleString()}>
      {ago(at, time)}
    </time>
  );
}

export function Panel(props: { title: string; aside?: ReactNode; children: ReactNode; flush?: boolean }): ReactNode {
  const { title, aside, children, flush = false } = props;
  return (
    <section className={flush ? "panel panel--flush" : "panel"} aria-label={title}>
      <header className="panel__header">
        <h2 className="panel__title">{title}</h2>
        {aside}
      </header>
      <div className="panel__body">{children}</div>
    </section>
  );
}

/** One of several values, as buttons in a row. */
export function Segments<T extends string>(props: {
  label: string;
  value: T;
  options: Readonly<Record<T, string>>;
  onChange: (value: T) => void;
}): ReactNode {
  const { label, value, options, onChange } = props;
  return (
    <fieldset className="segments">
      <legend className="tidings-hidden">{label}</legend>
      {(Object.entries(options) as [T, string][]).map(([key, text]) => (
        <button key={key} type="button" aria-pressed={key === value} onClick={() => onChange(key)}>
          {text}
        </button>
      ))}
    </fieldset>
  );
}

export function Button(props: {
  children: ReactNode;
  onClick: () => void;
  primary?: boolean;
  disabled?: boolean;
  pressed?: boolean;
}): ReactNode {
  const { children, onClick, primary = false, disabled = false, pressed } = props;
  return (
    <button
      type="button"
      className={primary ? "tidings-button tidings-button--primary" : "tidings-button"}
      disabled={disabled}
      aria-pressed={pressed}
      onClick={onClick}
    >
      {children}
    </button>
  );
}

export function Empty({ title, hint, children }: { title: string; hint?: string; children?: ReactNode }): ReactNode {
  return (
    <div className="empty">
      <p className="empty__title">{title}</p>
      {hint && <p className="empty__hint">{hint}</p>}
      {children}
    </div>
  );
}

/** Numbers with their labels. One that is not known yet is a dash. */
export function Figures(props: {
  figures: readonly (readonly [label: string, value: number | undefined, note?: string])[];
  wide?: boolean;
}): ReactNode {
  const { figures, wide = false } = props;
  return (
    <dl className={wide ? "figures figures--wide" : "figures"}>
      {figures.map(([label, value, note]) => (
        <div key={label} title={note}>
          <dt>{label}</dt>
          <dd>{value === undefined ? "–" : number(value)}</dd>
        </div>
      ))}
    </dl>
  );
}

/** The text of an event of a verb, with its actor and object in bold. */
export function Phrase({ verb, ...values }: { verb: string; actor: string; object: string }): ReactNode {
  const phrase = PHRASES[verb] ?? `{actor}: ${wordOf(verb)} · {object}`;
  return phrase.split(/\{(actor|object)\}/).map((part, at) => {
    // biome-ignore lint/suspicious/noArrayIndexKey: the parts of a text never move
    return at % 2 ? <strong key={at}>{values[part as "actor" | "object"]}</strong> : part;
  });
}

/** Runs what the user tries; what went wrong with the last one is `error`. */
export function useTry(): [run: (work: Promise<unknown>) => void, error: string | undefined] {
  const [error, setError] = useState<string>();
  const run = (work: Promise<unknown>): void => {
    setError(undefined);
    work.catch((failure: unknown) => setError(String(failure)));
  };
  return [run, error];
}

/** What goes wrong is stated where it was tried. */
export function Trouble({ error }: { error: string | undefined }): ReactNode {
  return (
    <p className="trouble" role="alert" hidden={!error}>
      {error}
    </p>
  );
}
