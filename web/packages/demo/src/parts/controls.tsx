import { useConnection } from "@tidings/react";
import { type ReactNode, useEffect, useState } from "react";
import { MODES, network } from "../network.js";
import { replay, SPEEDS } from "../replay.js";
import { useValue } from "../store.js";
import { number } from "../texts.js";
import { Segments } from "./basics.js";

const TRANSPORTS = { stream: "stream", websocket: "WebSocket", poll: "long poll", list: "lists" } as const;

/** By which transport the page is current, or when it tries again. */
export function ConnectionPill(): ReactNode {
  const { status, transport, error, retryAt } = useConnection();
  const [, tick] = useState(0);
  const waiting = status === "waiting";
  useEffect(() => {
    if (!waiting) return undefined;
    const timer = setInterval(() => tick((n) => n + 1), 500);
    return () => clearInterval(timer);
  }, [waiting]);
  const texts: Readonly<Record<typeof status, string>> = {
    live: "Live",
    polling: "Polling",
    connecting: "Connecting",
    waiting: "Waiting",
    paused: "Paused",
    stopped: "Stopped",
  };
  const seconds = retryAt ? Math.max(0, Math.ceil((retryAt - Date.now()) / 1_000)) : 0;
  const detail = waiting ? `again in ${seconds} s` : transport && TRANSPORTS[transport];
  return (
    <span className={`connection connection--${status}`} role="status" title={error}>
      <span className="connection__dot" aria-hidden="true" />
      {texts[status]}
      {detail && <span className="connection__detail">{detail}</span>}
    </span>
  );
}

/** The speed of the replay, the network, and a second tab. */
export function ControlBar({ user }: { user: string }): ReactNode {
  const mode = useValue(network.mode);
  const { running, speed, here, published, error } = useValue(replay.state);
  const at = SPEEDS.findIndex((one) => one >= speed);
  const detail = error ? "waits for the server" : here ? `${number(published)} published` : "by another tab";
  return (
    <div className="controls">
      <div className="controls__group">
        <button
          type="button"
          className="play"
          aria-label={running ? "Pause the replay" : "Start the replay"}
          onClick={() => replay.set({ running: !running })}
        >
          <svg viewBox="0 0 16 16" aria-hidden="true">
            <path d={running ? "M4 3h3v10H4zM9 3h3v10H9z" : "M4 2.5v11l9-5.5z"} />
          </svg>
        </button>
        <label className="speed">
          <span className="controls__label">Replay</span>
          <input
            type="range"
            min="0"
            max={SPEEDS.length - 1}
            value={at < 0 ? SPEEDS.length - 1 : at}
            aria-valuetext={`${speed} events a second`}
            onChange={(event) => replay.set({ speed: SPEEDS[Number(event.target.value)] ?? 1, running: true })}
          />
          <output className="speed__value">{running ? `${speed}/s` : "paused"}</output>
        </label>
        <span className="controls__detail">{detail}</span>
      </div>
      <div className="controls__group">
        <span className="controls__label">Network</span>
        <Segments label="Network" value={mode} options={MODES} onChange={(next) => network.set(next)} />
      </div>
      <a className="controls__tab" href={`?user=${encodeURIComponent(user)}`} target="_blank" rel="noopener">
        Open a second tab
        <svg viewBox="0 0 16 16" aria-hidden="true">
          <path d="M6 3h7v7M13 3 4 12" />
        </svg>
      </a>
    </div>
  );
}
