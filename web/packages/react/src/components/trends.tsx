import type { SeriesQuery, TopItem, TopQuery } from "@tidings/client";
import type { ReactNode } from "react";
import { useTop, useTopSeries } from "../hooks/trends.js";
import { useTexts } from "../provider.js";
import { Widget } from "./parts.js";
import { Skeleton } from "./states.js";

export interface TopListProps {
  query?: TopQuery;
  /** Default: "Trending". */
  title?: string;
  /** What a key is called. Default: the part of the key after the type. */
  renderLabel?: (item: TopItem) => ReactNode;
}

/** The most frequent keys of a sliding window, with bars and how their ranks changed. */
export function TopList({ query = {}, title, renderLabel }: TopListProps): ReactNode {
  const texts = useTexts();
  const { data, error } = useTop({ limit: 10, compare: "previous", ...query });
  const most = data?.items[0]?.count ?? 1;
  return (
    <Widget
      className="tidings-top"
      title={title ?? texts.messages.trending}
      aside={data && <span className="tidings-top__total">{texts.plural(texts.messages.events, data.total)}</span>}
    >
      {data ? (
        <ol className="tidings-top__items">
          {data.items.map((item, at) => (
            <li key={item.key} className="tidings-top__item">
              <span className="tidings-top__rank">{texts.number(at + 1)}</span>
              <span className="tidings-top__label">
                {renderLabel ? renderLabel(item) : item.key.slice(item.key.indexOf(":") + 1)}
              </span>
              <Move item={item} rank={at + 1} />
              <span className="tidings-top__count">{texts.number(item.count)}</span>
              <svg className="tidings-top__bar" aria-hidden="true" focusable="false">
                <rect width="100%" height="100%" rx="2" className="tidings-top__track" />
                <rect width={`${(100 * item.count) / most}%`} height="100%" rx="2" />
              </svg>
            </li>
          ))}
        </ol>
      ) : error ? (
        <p className="tidings-failed">{texts.messages.failed}</p>
      ) : (
        <Skeleton />
      )}
    </Widget>
  );
}

function Move({ item, rank }: { item: TopItem; rank: number }): ReactNode {
  const texts = useTexts();
  const { rankUp, rankDown, rankNew } = texts.messages;
  if (!item.previous) return null;
  const before = item.previous.rank;
  const by = before === null ? 0 : before - rank;
  if (before !== null && by === 0) return <span className="tidings-top__move" />;
  const kind = before === null ? "new" : by > 0 ? "up" : "down";
  const label = { new: rankNew, up: texts.plural(rankUp, by), down: texts.plural(rankDown, -by) }[kind];
  return (
    <span className={`tidings-top__move tidings-top__move--${kind}`} title={label}>
      <span aria-hidden="true">{{ new: "●", up: "▲", down: "▼" }[kind]}</span>
      <span className="tidings-hidden">{label}</span>
    </span>
  );
}

export interface TrendChartProps {
  query?: SeriesQuery | undefined;
  title?: string | undefined;
  /** Points in place of those of a query, oldest first. */
  points?: readonly number[];
}

const WIDTH = 300;
const HEIGHT = 80;
/** Units above the highest point, so that its line is not cut. */
const MARGIN = 4;

/** The events of a sliding window over its time, as a line. */
export function TrendChart({ query, title, points }: TrendChartProps): ReactNode {
  return points ? <Chart title={title} points={points} /> : <QueriedChart query={query} title={title} />;
}

function QueriedChart({ query = {}, title }: Pick<TrendChartProps, "query" | "title">): ReactNode {
  const { messages } = useTexts();
  const { data, error } = useTopSeries(query);
  const missing = data ? undefined : error ? messages.failed : messages.loading;
  return <Chart title={title} points={data?.points.map((point) => point.count) ?? []} missing={missing} />;
}

/** `missing`: why there are no points. */
function Chart(props: { title: string | undefined; points: readonly number[]; missing?: string | undefined }): ReactNode {
  const { title, points, missing } = props;
  const texts = useTexts();
  const total = points.reduce((sum, count) => sum + count, 0);
  const label = missing ?? texts.plural(texts.messages.events, total);
  const most = Math.max(1, ...points);
  const step = WIDTH / Math.max(1, points.length - 1);
  const y = (count: number): string => (HEIGHT - (count / most) * (HEIGHT - MARGIN)).toFixed(1);
  const line = points.map((count, at) => `${(at * step).toFixed(1)},${y(count)}`).join(" L");
  return (
    <figure className="tidings-chart">
      <figcaption className="tidings-chart__caption">
        <span>{title ?? texts.messages.activity}</span>
        <b>{label}</b>
      </figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={label}>
        {points.length > 1 && (
          <>
            <path className="tidings-chart__area" d={`M0,${HEIGHT} L${line} L${WIDTH},${HEIGHT} Z`} />
            <path className="tidings-chart__line" d={`M${line}`} vectorEffect="non-scaling-stroke" />
          </>
        )}
      </svg>
    </figure>
  );
}
