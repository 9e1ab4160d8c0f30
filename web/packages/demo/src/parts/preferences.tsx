import { PreferencesPanel } from "@tidings/react";
import type { ReactNode } from "react";

const TYPES = [
  { type: "watch", label: "Stars" },
  { type: "fork", label: "Forks" },
  { type: "issue_comment", label: "Comments on issues" },
  { type: "commit_comment", label: "Comments on commits" },
  { type: "pull_request_review_comment", label: "Reviews" },
  { type: "review_requested", label: "Requests for a review" },
];

/** Which notifications the user wants, and the hours without deliveries. */
export function PreferencesView(): ReactNode {
  return (
    <div className="panel panel--padded">
      <PreferencesPanel types={TYPES} />
    </div>
  );
}
