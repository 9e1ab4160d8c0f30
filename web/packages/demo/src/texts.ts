/** Texts of events by verb. `{actor}` and `{object}` are shown in bold. */
export const PHRASES: Readonly<Record<string, string>> = {
  push: "{actor} pushed to {object}",
  create: "{actor} created something in {object}",
  delete: "{actor} deleted a branch of {object}",
  watch: "{actor} starred {object}",
  fork: "{actor} forked {object}",
  issues: "{actor} changed an issue of {object}",
  issue_comment: "{actor} commented on an issue of {object}",
  commit_comment: "{actor} commented on a commit of {object}",
  pull_request: "{actor} changed a pull request of {object}",
  pull_request_review_comment: "{actor} reviewed a pull request of {object}",
  gollum: "{actor} edited the wiki of {object}",
  release: "{actor} released {object}",
  member: "{actor} added a member to {object}",
  public: "{actor} made {object} public",
  review_requested: "{actor} asked for a review of {object}",
  forecast: "{actor} made a forecast on {object}",
  trade: "{actor} traded on {object}",
  resolve: "{object} was resolved",
  post: "{actor} posted {object}",
  like: "{actor} liked {object}",
  share: "{actor} shared {object}",
  comment: "{actor} commented on {object}",
  spoke: "{actor} spoke on {object}",
  voted: "{actor} voted on {object}",
  asked: "{actor} asked about {object}",
  fast_finished: "{actor} recorded {object}",
  water: "{actor} recorded {object}",
  weight: "{actor} recorded {object}",
  fast_goal: "{object}: goal reached",
};

/** A verb as a word: "issue comment". */
export const wordOf = (verb: string): string => verb.replaceAll("_", " ");

const UNITS: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "narrow" });
const numbers = new Intl.NumberFormat("en");

export function ago(at: string, now: number): string {
  const ms = now - new Date(at).getTime();
  const unit = UNITS.find(([, size]) => ms >= size);
  return unit ? relative.format(-Math.floor(ms / unit[1]), unit[0]) : "now";
}

export const number = (n: number): string => numbers.format(n);
