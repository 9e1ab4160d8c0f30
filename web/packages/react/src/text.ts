import type { Messages, Plural } from "./messages/types.js";

/** Values for the names in a text. */
export type Values = Readonly<Record<string, string | number>>;

/** Writes the texts of one language, with its plural rules, lists and numbers. */
export class Texts {
  private readonly plurals: Intl.PluralRules;
  private readonly numbers: Intl.NumberFormat;
  private readonly lists: Intl.ListFormat;
  private readonly distances: Intl.RelativeTimeFormat;
  private readonly dates: Intl.DateTimeFormat;
  private readonly days: Intl.DateTimeFormat;

  constructor(
    readonly messages: Messages,
    /** The language of dates and numbers, where it differs: `en-GB` for `en`. */
    readonly locale: string = messages.locale,
  ) {
    this.plurals = new Intl.PluralRules(messages.locale);
    this.numbers = new Intl.NumberFormat(locale);
    this.lists = new Intl.ListFormat(messages.locale);
    this.distances = new Intl.RelativeTimeFormat(locale, { numeric: "auto", style: "short" });
    this.dates = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
    this.days = new Intl.DateTimeFormat(locale, { month: "short", day: "numeric" });
  }

  /** The form for a number: "3 unread". */
  plural(text: Plural, n: number): string {
    return filled(text[this.plurals.select(n)] ?? text.other, { n: this.number(n) });
  }

  number(n: number): string {
    return this.numbers.format(n);
  }

  /** "10 minutes". */
  minutes(n: number): string {
    return new Intl.NumberFormat(this.locale, { style: "unit", unit: "minute", unitDisplay: "long" }).format(n);
  }

  /** "Ann, Bo and 3 others". */
  list(names: readonly string[], others = 0): string {
    return this.lists.format(others > 0 ? [...names, this.plural(this.messages.others, others)] : names);
  }

  /** "5 min. ago", as of a time in milliseconds; "now" for less than a minute, and for a clock that is behind. */
  ago(time: Date, now: number): string {
    const minutes = Math.max(0, Math.floor((now - time.getTime()) / 60_000));
    if (minutes < 1) return this.distances.format(0, "second");
    if (minutes < 60) return this.distances.format(-minutes, "minute");
    if (minutes < 24 * 60) return this.distances.format(-Math.floor(minutes / 60), "hour");
    const days = Math.floor(minutes / (24 * 60));
    return days < 7 ? this.distances.format(-days, "day") : this.days.format(time);
  }

  /** A date with its time, in the time zone of the browser. */
  date(time: Date): string {
    return this.dates.format(time);
  }
}

/** The text with its values: `{name}` stands for one. */
export function filled(text: string, values: Values): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}
