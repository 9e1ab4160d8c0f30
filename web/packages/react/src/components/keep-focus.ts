import { type RefObject, useEffect } from "react";

/** What gets the focus in place of a control that is gone: the row of it, else the first of the list. */
const ROW = "[data-tidings-row], article";
const FIRST =
  ".tidings-toast > .tidings-icon-button, [data-tidings-row] .tidings-opener:not([tabindex='-1']), [role=feed] article";

/**
 * Keep the focus near when the element that has it is removed: it goes to the row of that element, to the first row, or to where
 * it was before it came into `root`. Browsers would give it to the page, and the keyboard would start again at its top.
 */
export function useKeepFocus(root: RefObject<HTMLElement | null>): void {
  useEffect(() => {
    const element = root.current;
    if (!element || typeof MutationObserver === "undefined") return undefined;
    const scope = element.getRootNode() as Document | ShadowRoot;
    let last: HTMLElement | undefined;
    let row: HTMLElement | null = null;
    let outside: HTMLElement | undefined;
    const focused = (event: Event): void => {
      const target = event.target as HTMLElement;
      const inside = element.contains(target);
      last = inside ? target : undefined;
      row = inside ? target.closest<HTMLElement>(ROW) : null;
      if (!inside) outside = target;
    };
    const pressed = (event: Event): void => {
      if (!last?.contains(event.target as Node)) last = undefined;
    };
    const observer = new MutationObserver(() => {
      const active = scope.activeElement;
      if (!last || last.isConnected || (active && active !== document.body)) return;
      last = undefined;
      const own = row?.isConnected ? (row.querySelector<HTMLElement>(".tidings-opener") ?? row) : undefined;
      for (const next of [own, element.querySelector<HTMLElement>(FIRST), outside]) {
        if (!next?.isConnected) continue;
        next.focus({ preventScroll: true });
        if (scope.activeElement === next) return;
      }
    });
    scope.addEventListener("focusin", focused);
    scope.addEventListener("pointerdown", pressed);
    observer.observe(element, { childList: true, subtree: true });
    return () => {
      observer.disconnect();
      scope.removeEventListener("focusin", focused);
      scope.removeEventListener("pointerdown", pressed);
    };
  }, [root]);
}
