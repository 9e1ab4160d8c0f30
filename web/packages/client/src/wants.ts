import type { Query } from "./requests.js";

/** What a tab wants of the stream: kinds of frames, and topics; and whether it is visible, and so can lead. */
export interface Want {
  readonly include: readonly string[];
  readonly topics: readonly string[];
  readonly visible: boolean;
}

/** Milliseconds after which a want lapses: its tab was closed or is frozen. */
const LAPSE_MS = 30_000;
/** Milliseconds after which a tab says again what it wants. */
export const REPEAT_MS = 10_000;
/** Topics that a server accepts for one stream. Lists of further ones are current only when they are fetched. */
const MAX_TOPICS = 32;

/** What all tabs want of the one stream. */
export class Wants {
  private readonly others = new Map<string, { want: Want; until: number }>();

  /** What another tab wants now. */
  set(tab: string, want: Want, now: number): void {
    this.others.set(tab, { want, until: now + LAPSE_MS });
  }

  /** Whether another tab is visible. */
  visible(now: number): boolean {
    return [...this.others.values()].some(({ want, until }) => want.visible && until >= now);
  }

  /** The parameters of a stream for this tab and the others. */
  query(own: Want, now: number): Query {
    for (const [tab, { until }] of this.others) if (until < now) this.others.delete(tab);
    const wants = [own, ...[...this.others.values()].map((other) => other.want)];
    const include = new Set(wants.flatMap((want) => want.include));
    const topics = [...new Set(wants.flatMap((want) => want.topics))].slice(0, MAX_TOPICS);
    return { include: [...include].sort().join(","), topic: topics.sort().join(",") || undefined };
  }
}
