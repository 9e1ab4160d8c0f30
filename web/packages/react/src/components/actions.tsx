import type { EventAction, Notification } from "@tidings/client";
import type { ReactNode } from "react";
import { useClient } from "../hooks/client-provider.js";
import { useUi } from "../provider.js";
import { filled } from "../text.js";
import { Icon } from "./icons.js";
import { classes, isSafe } from "./parts.js";

type Shown = Pick<EventAction, "id" | "label" | "style" | "url">;

/** The actions of a notification: buttons, or once one was taken, which. */
export function ActionButtons({ item, tabIndex }: { item: Notification; tabIndex?: number }): ReactNode {
  const { inbox } = useClient();
  const { attempt, texts } = useUi();
  if (!item.actions.length) return null;
  const taken = item.acted && item.actions.find((action) => action.id === item.acted?.action_id);
  if (taken) {
    return (
      <p className="tidings-actions tidings-actions--taken">
        <Icon name="check" />
        {filled(texts.messages.actionTaken, { action: taken.label })}
      </p>
    );
  }
  const take = (action: Shown): void => void attempt(inbox.act(item.id, action.id));
  return <Actions actions={item.actions} onAct={take} tabIndex={tabIndex} />;
}

/** Actions with an address are links, the others buttons. */
export function Actions(props: {
  actions: readonly Shown[];
  onAct: ((action: Shown) => void) | undefined;
  tabIndex?: number | undefined;
}): ReactNode {
  const { Link } = useUi();
  const { actions, onAct, tabIndex } = props;
  const common = (action: Shown): { className: string; onClick: () => void; tabIndex: number | undefined } => ({
    className: classes("button", { [action.style ?? "plain"]: true }),
    onClick: () => onAct?.(action),
    tabIndex,
  });
  return (
    <div className="tidings-actions">
      {actions.map((action) =>
        action.url === undefined
          ? onAct && (
              <button key={action.id} type="button" {...common(action)}>
                {action.label}
              </button>
            )
          : isSafe(action.url) && (
              <Link key={action.id} href={action.url} {...common(action)}>
                {action.label}
              </Link>
            ),
      )}
    </div>
  );
}
