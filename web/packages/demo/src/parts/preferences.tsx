import type { Types } from "@tidings/client";
import { usePreferences } from "@tidings/react";
import { type ReactNode, useEffect, useState } from "react";
import { server } from "../server.js";
import { wordOf } from "../texts.js";
import { Panel, Switch, Trouble } from "./basics.js";

/** Verbs of the sample that notify without a declaration of their own. */
const COMMON = ["watch", "fork", "issue_comment", "commit_comment", "pull_request_review_comment"] as const;

/** Which notifications the user wants, and the hours without deliveries. */
export function PreferencesView(): ReactNode {
  const { data, update } = usePreferences();
  const [declared, setDeclared] = useState<readonly string[]>([]);
  const [error, setError] = useState<string>();
  useEffect(() => {
    server<Types>("/v1/admin/types").then(
      (types) => setDeclared(types.items.map((item) => item.type)),
      () => undefined,
    );
  }, []);
  const change = (patch: Parameters<typeof update>[0]): void => {
    setError(undefined);
    update(patch).catch((failure: unknown) => setError(String(failure)));
  };
  const wanted = (type: string): boolean => data?.types[type]?.in_app ?? true;
  const quiet = data?.quiet_hours;
  return (
    <Panel title="Settings" aside={<span className="panel__hint">kept by the server for this person</span>}>
      <h3 className="panel__subtitle">Notify me of</h3>
      <ul className="settings">
        {[...COMMON, ...declared].map((type) => (
          <li key={type}>
            <Switch
              on={wanted(type)}
              label={wordOf(type)}
              onChange={(on) => change({ types: { [type]: { in_app: on ? null : false } } })}
            />
          </li>
        ))}
      </ul>
      <h3 className="panel__subtitle">Quiet hours</h3>
      <Switch
        on={quiet != null}
        label={quiet ? `${quiet.start} to ${quiet.end}, ${quiet.time_zone}` : "No mails or pushes from 22:00 to 07:00"}
        onChange={(on) =>
          change({
            quiet_hours: on
              ? { start: "22:00", end: "07:00", time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone }
              : null,
          })
        }
      />
      <Trouble error={error} />
    </Panel>
  );
}
