import type { Undo } from "@tidings/client";
import { type ReactNode, useEffect, useState } from "react";
import { useUi } from "../provider.js";

/** Milliseconds for which an undo is offered; the server accepts it for ten minutes. */
const OFFERED_MS = 10_000;

/** Marks all of a list read, and offers to undo it, in place of a question before it. Returns the bar with the offer. */
export function useReadAll(list: { readAll(): Promise<Undo> }): [bar: ReactNode, readAll: () => void] {
  const { attempt, announcer, texts } = useUi();
  const { allMarkedRead: text, undo: label } = texts.messages;
  const [offer, setOffer] = useState<{ readonly undo: Undo }>();
  const [held, setHeld] = useState(false);
  useEffect(() => {
    if (!offer || held) return undefined; // a bar that has the focus or the pointer stays
    const timer = setTimeout(() => setOffer(undefined), OFFERED_MS);
    return () => clearTimeout(timer);
  }, [offer, held]);
  const readAll = async (): Promise<void> => {
    const undo = await attempt(list.readAll());
    if (!undo) return;
    setHeld(false);
    setOffer({ undo });
    announcer.say(text);
  };
  const undo = (): void => {
    if (offer) void attempt(offer.undo());
    setOffer(undefined);
  };
  const bar = offer && (
    <div
      className="tidings-undo"
      onPointerEnter={() => setHeld(true)}
      onPointerLeave={() => setHeld(false)}
      onFocus={() => setHeld(true)}
      onBlur={() => setHeld(false)}
    >
      <span>{text}</span>
      <button type="button" className="tidings-undo__button" onClick={undo}>
        {label}
      </button>
    </div>
  );
  return [bar, () => void readAll()];
}
