import { InboxPage } from "@tidings/react";
import type { ReactNode } from "react";

/** The page with all notifications, in a frame of the demo. */
export function InboxPanel(): ReactNode {
  return (
    <div className="panel panel--flush">
      <InboxPage level={2} />
    </div>
  );
}
