import { type KeyboardEvent, type ReactNode, useEffect, useId, useRef, useState } from "react";
import { useTexts } from "../provider.js";
import { Icon } from "./icons.js";
import { useLeave } from "./leave.js";

export interface MenuItem {
  readonly label: string;
  run(): void;
}

/** A button that opens a menu of further actions. */
export function Menu({ items, tabIndex }: { items: readonly MenuItem[]; tabIndex?: number }): ReactNode {
  const { messages } = useTexts();
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const id = useId();
  const close = (): void => setOpen(false);
  useLeave(root, open, close);
  useEffect(() => {
    if (!open) return;
    const first = itemsOf(root.current)[0];
    first?.focus();
    first?.parentElement?.scrollIntoView?.({ block: "nearest" });
  }, [open]);
  const choose = (item: MenuItem): void => {
    close();
    root.current?.querySelector("button")?.focus();
    item.run();
  };
  return (
    <div className="tidings-menu" ref={root} onKeyDown={(event) => move(event, root.current, open, close)}>
      <button
        type="button"
        className="tidings-icon-button"
        aria-haspopup="menu"
        aria-expanded={open}
        aria-controls={open ? id : undefined}
        aria-label={messages.moreActions}
        title={messages.moreActions}
        tabIndex={tabIndex}
        onClick={() => setOpen(!open)}
      >
        <Icon name="more" />
      </button>
      {open && (
        <div className="tidings-menu__items" role="menu" id={id} aria-label={messages.moreActions}>
          {items.map((item) => (
            <button key={item.label} type="button" role="menuitem" tabIndex={-1} onClick={() => choose(item)}>
              {item.label}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}

function itemsOf(root: HTMLElement | null): HTMLElement[] {
  return [...(root?.querySelectorAll<HTMLElement>("[role=menuitem]") ?? [])];
}

function move(event: KeyboardEvent, root: HTMLElement | null, open: boolean, close: () => void): void {
  if (!open) return;
  event.stopPropagation(); // the keys of a list around the menu do not apply in it
  const items = itemsOf(root);
  const at = items.indexOf(document.activeElement as HTMLElement);
  const step = { ArrowDown: at + 1, ArrowUp: at - 1 + items.length, Home: 0, End: items.length - 1 }[event.key];
  if (step !== undefined) {
    event.preventDefault();
    items[step % items.length]?.focus();
  } else if (event.key === "Escape") {
    close();
    root?.querySelector("button")?.focus();
  } else if (event.key === "Tab") close();
}
