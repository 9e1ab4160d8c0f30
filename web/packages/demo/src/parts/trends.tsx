import type { Top, TopSeries } from "@tidings/client";
import { type ReactNode, useState } from "react";
import { useLive } from "../live.js";
import { number, wordOf } from "../texts.js";
import { Empty, Panel, Segments } from "./basics.js";
import { FollowButton } from "./follows.js";

/** Milliseconds between two requests. */
const SERIES_MS = 1_000;
const TOP_MS = 2_000;
const WIDTH = 320;
const HEIGHT = 72;
/** Seconds over which the number above the chart is averaged. */
const MEAN = 10;

/** The events of each second of the last minute, of all or of a topic. */
export function RateChart({ topic, title = "Events a second" }: { topic?: string; title?: string }): ReactNode {
  const data = useLive<TopSeries>("/v1/top/series", { window: "1m", topic }, SERIES_MS);
  const counts = data?.points.map((point) => point.count) ?? [];
  const most = Math.max(4, ...counts);
  const at = (index: number, count: number): string =>
    `${((index / Math.max(1, counts.length - 1)) * WIDTH).toFixed(1)} ${(HEIGHT - 4 - (count / most) * (HEIGHT - 12)).toFixed(1)}`;
  const line = counts.map((count, index) => at(index, count)).join(" L");
  const recent = counts.slice(-MEAN);
  const rate = recent.reduce((sum, count) => sum + count, 0) / Math.max(1, recent.length);
  return (
    <Panel title={title} aside={<output className="figure">{rate.toFixed(1)}</output>}>
      <svg className="chart" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={title}>
        {[0.25, 0.5, 0.75].map((part) => (
          <line key={part} className="chart__grid" x1="0" x2={WIDTH} y1={HEIGHT * part} y2={HEIGHT * part} />
        ))}
        {line && <path className="chart__area" d={`M0 ${HEIGHT} L${line} L${WIDTH} ${HEIGHT} Z`} />}
        {line && <path className="chart__line" d={`M${line}`} />}
      </svg>
      <p className="chart__axis">
        <span>a minute ago</span>
        <span>at most {number(most)}</span>
        <span>now</span>
      </p>
    </Panel>
  );
}

const WINDOWS = { "1m": "1 min", "5m": "5 min", "1h": "1 h" } as const;
const KINDS = { object: "Objects", verb: "Verbs", actor: "People", object_type: "Types" } as const;
type Kind = keyof typeof KINDS;

interface TopPanelProps {
  topic?: string;
  title?: string;
  /** What is counted, if the user does not choose. */
  by?: Kind;
  limit?: number;
  follow?: boolean;
  window?: keyof typeof WINDOWS;
}

/** What is most active in a sliding window, with bars, and how ranks have changed since the window before. */
export function TopPanel({ topic, title, by, limit = 100, follow = false, window: first = "5m" }: TopPanelProps): ReactNode {
  const [span, setSpan] = useState<keyof typeof WINDOWS>(first);
  const [chosen, setChosen] = useState<Kind>(by ?? "object");
  const kind = by ?? chosen;
  const data = useLive<Top>("/v1/top", { window: span, by: kind, limit, compare: "previous", topic }, TOP_MS);
  const most = data?.items[0]?.count ?? 1;
  return (
    <Panel
      flush
      title={title ?? `Top ${number(limit)}`}
      aside={<Segments label="Window" value={span} options={WINDOWS} onChange={setSpan} />}
    >
      {!by && (
        <div className="top__kinds">
          <Segments label="Counted by" value={chosen} options={KINDS} onChange={setChosen} />
        </div>
      )}
      {data?.items.length ? (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be in reach of the keyboard
        <ol className="top" tabIndex={0} aria-label={title ?? `Top ${limit}`}>
          {data.items.map(({ key, count, object_id, object_type, previous }, at) => (
            <li key={key} className="top__row">
              <span className="top__rank">{at + 1}</span>
              <span className="top__name" title={key}>
                {object_id ?? wordOf(key)}
              </span>
              <Change rank={at + 1} before={previous?.rank} />
              <span className="top__count">{number(count)}</span>
              {follow && object_type && object_id && <FollowButton topic={`${object_type}:${object_id}`} />}
              <svg className="top__bar" aria-hidden="true">
                <rect className="top__track" width="100%" height="100%" rx="2" />
                <rect className="top__fill" width={`${((count / most) * 100).toFixed(1)}%`} height="100%" rx="2" />
              </svg>
            </li>
          ))}
        </ol>
      ) : (
        <Empty title="Nothing in this window" hint="Choose a longer one, or let the replay run." />
      )}
    </Panel>
  );
}

function Change({ rank, before }: { rank: number; before: number | null | undefined }): ReactNode {
  if (before == null) return <span className="top__change top__change--new">new</span>;
  if (before === rank) return <span className="top__change">–</span>;
  const up = before > rank;
  return (
    <span className={up ? "top__change top__change--up" : "top__change top__change--down"}>
      <span className="tidings-hidden">{up ? "up" : "down"} </span>
      <span aria-hidden="true">{up ? "▲" : "▼"}</span> {Math.abs(before - rank)}
    </span>
  );
}
