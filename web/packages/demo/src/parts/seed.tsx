import { type ReactNode, useCallback, useEffect, useRef, useState } from "react";
import { number } from "../texts.js";
import { Button } from "./basics.js";

/** Something that a scene needs on the server. It may be done again: its events have keys. */
export interface Step {
  readonly label: string;
  /** `progress` takes the done part, 0 to 1. */
  run(signal: AbortSignal, progress: (done: number) => void): Promise<unknown>;
}

export interface Seeding {
  readonly state: "idle" | "running" | "done" | "failed" | "cancelled";
  readonly label: string;
  /** 0 to 1. */
  readonly done: number;
  readonly ms: number;
  readonly error?: string;
  start(): void;
  cancel(): void;
}

/** Run steps on the server, one after the other. */
export function useSeeding(steps: readonly Step[], onDone?: () => void): Seeding {
  const [state, setState] = useState<Omit<Seeding, "start" | "cancel">>({ state: "idle", label: "", done: 0, ms: 0 });
  const running = useRef<AbortController>(undefined);
  const latest = useRef({ steps, onDone });
  latest.current = { steps, onDone };
  const start = useCallback(async () => {
    running.current?.abort();
    const stopping = new AbortController();
    running.current = stopping;
    const { signal } = stopping;
    const begun = performance.now();
    const { steps } = latest.current;
    let label = "";
    try {
      for (const [at, step] of steps.entries()) {
        label = step.label;
        const show = (part: number): void => {
          if (!signal.aborted)
            setState({ state: "running", label, done: (at + part) / steps.length, ms: performance.now() - begun });
        };
        show(0);
        await step.run(signal, show);
        signal.throwIfAborted();
      }
      setState({ state: "done", label: "", done: 1, ms: performance.now() - begun });
      latest.current.onDone?.();
    } catch (error) {
      const cancelled = signal.aborted;
      if (running.current !== stopping) return;
      setState({
        state: cancelled ? "cancelled" : "failed",
        label,
        done: 0,
        ms: performance.now() - begun,
        ...(cancelled ? {} : { error: error instanceof Error ? error.message : String(error) }),
      });
    }
  }, []);
  useEffect(() => () => running.current?.abort(), []);
  return { ...state, start: () => void start(), cancel: () => running.current?.abort() };
}

/** How far it is, with a way to stop it. */
export function SeedProgress({ seeding, what }: { seeding: Seeding; what: string }): ReactNode {
  const { state, label, done, ms, error } = seeding;
  if (state === "idle") return null;
  return (
    <div className="seed" role="status">
      {state === "running" && <progress className="seed__bar" max="1" value={done} aria-label={what} />}
      <span className="seed__text">
        {state === "running" && label}
        {state === "done" && `${what}: done over the API in ${number(Math.round(ms / 100) / 10)} s`}
        {state === "cancelled" && `Cancelled while: ${label}`}
        {state === "failed" && `${label}: ${error}`}
      </span>
      {state === "running" && <Button onClick={seeding.cancel}>Cancel</Button>}
      {(state === "failed" || state === "cancelled") && <Button onClick={seeding.start}>Try again</Button>}
    </div>
  );
}
