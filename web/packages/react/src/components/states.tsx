import type { ReactNode } from "react";
import { useTexts } from "../provider.js";
import { Icon, type IconName } from "./icons.js";

/** Placeholders while a list is loaded. */
export function Skeleton({ rows = 4 }: { rows?: number }): ReactNode {
  const { messages } = useTexts();
  return (
    <div className="tidings-skeleton" role="status">
      <span className="tidings-hidden">{messages.loading}</span>
      {Array.from({ length: rows }, (_, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the rows are alike and never move
        <div key={at} className="tidings-skeleton__row" aria-hidden="true">
          <span className="tidings-skeleton__avatar" />
          <span className="tidings-skeleton__line" />
          <span className="tidings-skeleton__line tidings-skeleton__line--short" />
        </div>
      ))}
    </div>
  );
}

export interface EmptyStateProps {
  icon?: IconName;
  /** Default: "You’re all caught up", with a hint below. */
  title?: string | undefined;
  hint?: string;
  children?: ReactNode;
}

/** A list without items. */
export function EmptyState({ icon = "inbox", title, hint, children }: EmptyStateProps): ReactNode {
  const { messages } = useTexts();
  return (
    <div className="tidings-empty">
      <span className="tidings-empty__icon">
        <Icon name={icon} />
      </span>
      <p className="tidings-empty__title">{title ?? messages.empty}</p>
      <p className="tidings-empty__hint">{hint ?? messages.emptyHint}</p>
      {children}
    </div>
  );
}

/** The line between what is new and what the user has seen. */
export function UnreadDivider({ children }: { children?: ReactNode }): ReactNode {
  const { messages } = useTexts();
  return (
    <div className="tidings-divider" role="separator">
      <span>{children ?? messages.newDivider}</span>
    </div>
  );
}
