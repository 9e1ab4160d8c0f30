import { type ReactNode, useEffect, useRef } from "react";
import { NewItemsPill } from "./feed-controls.js";

/** A list in which new items may wait. */
interface Held {
  hold(held: boolean): void;
  showFresh(): void;
}

/** The top of a list. While it is out of view, new items wait behind a pill: what is read must not move. */
export function ListTop({ list, waiting }: { list: Held; waiting: number }): ReactNode {
  const top = useRef<HTMLDivElement>(null);
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
  }, [list]);
  const showFresh = (): void => {
    list.showFresh();
    top.current?.scrollIntoView({ block: "nearest" });
  };
  return (
    <>
      <div ref={top} className="tidings-activity__top" />
      <NewItemsPill count={waiting} onShow={showFresh} />
    </>
  );
}
