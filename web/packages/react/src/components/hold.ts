import { type RefObject, useEffect } from "react";

/** What waits. */
interface Held {
  hold(held: boolean): void;
  showFresh(): void;
}

/** New items wait while the top of the list is out of view: what is read must not move. */
export function useHold(top: RefObject<HTMLElement | null>, list: Held): void {
  useEffect(() => {
    const element = top.current;
    if (!element || typeof IntersectionObserver === "undefined") return undefined;
    const observer = new IntersectionObserver((entries) => {
      const inView = entries.at(-1)?.isIntersecting ?? true;
      list.hold(!inView);
      if (inView) list.showFresh();
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      list.hold(false);
    };
  }, [top, list]);
}
