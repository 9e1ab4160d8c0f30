import type { Undo } from "@tidings/client";
import { type ReactNode, useEffect, useState } from "react";
import { useUi } from "../provider.js";

/** Milliseconds for which an undo is offered; the server accepts it for ten minutes. */
const OFFERED_MS = 10_000;

interface Offer {
  readonly text: string;
  readonly undo: Undo;
}

/** Offers to undo what was just done, in place of a question before it. Returns the bar, and how to offer something. */
export function useUndoBar(): [bar: ReactNode, offer: (text: string, undo: Undo) => void] {
  const { attempt, announcer, texts } = useUi();
  const [offer, setOffer] = useState<Offer>();
  const [held, setHeld] = useState(false);
  useEffect(() => {
    if (!offer || held) return undefined; // a bar that has the focus or the pointer stays
    const timer = setTimeout(() => setOffer(undefined), OFFERED_MS);
    return () => clearTimeout(timer);
  }, [offer, held]);
  const make = (text: string, undo: Undo): void => {
    setHeld(false);
    setOffer({ text, undo });
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
      <span>{offer.text}</span>
      <button type="button" className="tidings-undo__button" onClick={undo}>
        {texts.messages.undo}
      </button>
    </div>
  );
  return [bar, make];
}
