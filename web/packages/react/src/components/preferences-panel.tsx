import type { Preferences } from "@tidings/client";
import { type ReactNode, useId } from "react";
import { usePreferences } from "../hooks/preferences.js";
import { useUi } from "../provider.js";
import { Switch } from "./feed-controls.js";
import { Skeleton } from "./states.js";

/** A notification type as users see it. */
export interface PreferenceType {
  readonly type: string;
  readonly label: string;
  readonly description?: string;
  /** A critical type cannot be switched off. */
  readonly critical?: boolean;
  /** Channels other than the application that are on until the user changes them. Default: all. */
  readonly channels?: readonly string[];
}

export interface PreferencesPanelProps {
  /** The types, in their order; those that are not named are "all other types". */
  types: readonly PreferenceType[];
  /** Default: in the app, e-mail, push. */
  channels?: readonly string[];
  /** The name of a channel without a text of its own. */
  channelLabels?: Readonly<Record<string, string>>;
}

const CHANNELS = ["in_app", "email", "web_push"] as const;
const EVERY_TYPE = "*";
const DIGESTS = [
  ["immediately", 0],
  ["hourly", 3_600],
  ["daily", 86_400],
] as const;

/** What the user wants to be notified of, and how. Each change is saved at once. */
export function PreferencesPanel({ types, channels = CHANNELS, channelLabels = {} }: PreferencesPanelProps): ReactNode {
  const { texts, attempt, announcer } = useUi();
  const { messages } = texts;
  const { data, update } = usePreferences();
  const id = useId();
  if (!data) return <Skeleton />;
  const names: Record<string, string> = { in_app: messages.inApp, email: messages.email, web_push: messages.webPush };
  const save = async (patch: Parameters<typeof update>[0]): Promise<void> => {
    const done = await attempt(update(patch).then(() => true));
    if (done) announcer.say(messages.saved);
  };
  const rows: readonly PreferenceType[] = [...types, { type: EVERY_TYPE, label: messages.otherTypes }];
  return (
    <section className="tidings-preferences" aria-labelledby={id}>
      <h2 id={id} className="tidings-title">
        {messages.preferences}
      </h2>
      <div className="tidings-preferences__scroll">
        <table className="tidings-preferences__table">
          <thead>
            <tr>
              <th scope="col">{messages.type}</th>
              {channels.map((channel) => (
                <th key={channel} scope="col">
                  {names[channel] ?? channelLabels[channel] ?? channel}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.type}>
                <th scope="row">
                  {row.label}
                  {row.description && <span className="tidings-preferences__hint">{row.description}</span>}
                </th>
                {channels.map((channel) => (
                  <td key={channel}>
                    {row.critical ? (
                      <span className="tidings-preferences__always">{messages.alwaysOn}</span>
                    ) : (
                      <Switch
                        hideLabel
                        label={`${row.label}: ${names[channel] ?? channelLabels[channel] ?? channel}`}
                        on={wanted(data, row, channel)}
                        onChange={(on) => void save({ types: { [row.type]: { [channel]: on } } })}
                      />
                    )}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <QuietHours data={data} save={(quiet_hours) => void save({ quiet_hours })} />
      <label className="tidings-preferences__field">
        {messages.emailsAtMost}
        <select value={data.digest_s} onChange={(event) => void save({ digest_s: Number(event.target.value) })}>
          {DIGESTS.map(([name, seconds]) => (
            <option key={name} value={seconds}>
              {messages[name]}
            </option>
          ))}
          {DIGESTS.every(([, seconds]) => seconds !== data.digest_s) && (
            <option value={data.digest_s}>{texts.minutes(data.digest_s / 60)}</option>
          )}
        </select>
      </label>
    </section>
  );
}

/** What applies: the choice for the type, that for all types, or what the type declares. */
function wanted({ types }: Preferences, { type, channels }: PreferenceType, channel: string): boolean {
  const declared = channel === "in_app" || channels === undefined || channels.includes(channel);
  return types[type]?.[channel] ?? types[EVERY_TYPE]?.[channel] ?? declared;
}

type Quiet = { time_zone: string; start: string; end: string };

function QuietHours({ data, save }: { data: Preferences; save: (quiet: Quiet | null) => void }): ReactNode {
  const { messages } = useUi().texts;
  const { quiet_hours: quiet } = data;
  const now = quiet ?? {
    time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    start: "22:00",
    end: "07:00",
  };
  return (
    <div className="tidings-preferences__quiet">
      <Switch label={messages.quietHours} on={quiet !== null} onChange={(on) => save(on ? now : null)} />
      {quiet &&
        (["start", "end"] as const).map((edge) => (
          <label key={edge} className="tidings-preferences__field">
            {edge === "start" ? messages.from : messages.to}
            <input
              type="time"
              required
              value={quiet[edge]}
              onChange={(event) => event.target.value && save({ ...quiet, [edge]: event.target.value })}
            />
          </label>
        ))}
    </div>
  );
}
