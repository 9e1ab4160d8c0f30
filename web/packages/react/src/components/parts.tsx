import { type ReactNode, useId } from "react";
import { useNow } from "../now.js";
import { useTexts, useUi } from "../provider.js";
import { Icon, type IconName } from "./icons.js";

/** Class names of a part: `tidings-row`, and `tidings-row--unread` for each modifier that applies. */
export function classes(part: string, modifiers: Readonly<Record<string, unknown>> = {}, more?: string): string {
  const own = Object.keys(modifiers).filter((name) => modifiers[name]);
  return [`tidings-${part}`, ...own.map((name) => `tidings-${part}--${name}`), more].filter(Boolean).join(" ");
}

/** A button that is an icon with a name for assistive technology and as a tooltip. */
export function IconButton(props: { icon: IconName; label: string; onClick: () => void; tabIndex?: number }): ReactNode {
  const { icon, label, onClick, tabIndex } = props;
  return (
    <button
      type="button"
      className="tidings-icon-button"
      aria-label={label}
      title={label}
      onClick={onClick}
      tabIndex={tabIndex}
    >
      <Icon name={icon} />
    </button>
  );
}

/** A box of a page, with a heading. `aside` is at its end. */
export function Widget(props: { title: string; aside: ReactNode; children: ReactNode; className?: string }): ReactNode {
  const { title, aside, children, className } = props;
  const id = useId();
  return (
    <section className={classes("widget", {}, className)} aria-labelledby={id}>
      <header className="tidings-widget__header">
        <h2 id={id} className="tidings-title">
          {title}
        </h2>
        {aside}
      </header>
      {children}
    </section>
  );
}

/** Colours of avatars without an image; `styles.css` defines them. */
const HUES = 8;

/** The image of somebody, or the first letters of the name on a colour that belongs to the id. */
export function Avatar({ id, name, image }: { id: string; name: string; image: string | null | undefined }): ReactNode {
  if (image) return <img className="tidings-avatar" src={image} alt="" loading="lazy" width="36" height="36" />;
  let hash = 0;
  for (const letter of id) hash = (hash * 31 + (letter.codePointAt(0) ?? 0)) >>> 0;
  return (
    <span className={`tidings-avatar tidings-avatar--${hash % HUES}`} aria-hidden="true">
      {initials(name)}
    </span>
  );
}

function initials(name: string): string {
  const words = name.split(/[\s_.-]+/).filter(Boolean);
  const letters = [words[0], words.length > 1 ? words.at(-1) : undefined].map((word) => (word ? [...word][0] : ""));
  return letters.join("").toLocaleUpperCase();
}

/** How long ago something was; on the server and at first its date, which does not depend on the clock. */
export function Time({ at }: { at: string }): ReactNode {
  const texts = useTexts();
  const now = useNow();
  const time = new Date(at);
  return (
    <time className="tidings-time" dateTime={at} title={now ? texts.date(time) : undefined}>
      {now ? texts.ago(time, now) : at.slice(0, 10)}
    </time>
  );
}

/** What a row does when the user opens it: a link if there is an address, else a button. */
export function Opener(props: {
  url: string | null | undefined;
  onOpen: () => void;
  tabIndex?: number;
  children: ReactNode;
}): ReactNode {
  const { url, onOpen, tabIndex, children } = props;
  const { Link } = useUi();
  const common = { className: "tidings-opener", onClick: onOpen, tabIndex };
  if (url && isSafe(url)) {
    return (
      <Link href={url} {...common}>
        {children}
      </Link>
    );
  }
  return (
    <button type="button" {...common}>
      {children}
    </button>
  );
}

/** Whether an address of an event may be a link: `javascript:` would run in the page. */
export function isSafe(url: string): boolean {
  return !/^[^/?#]*:/.test(url) || /^(https?|mailto):/i.test(url);
}
