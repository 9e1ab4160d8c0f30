import { type RefObject, useEffect, useRef } from "react";

/** Call `leave` when the user presses outside of an element, or moves the focus out of it, while it is open. */
export function useLeave(root: RefObject<HTMLElement | null>, open: boolean, leave: () => void): void {
  const latest = useRef(leave);
  useEffect(() => {
    latest.current = leave;
  });
  useEffect(() => {
    if (!open) return undefined;
    const outside = (event: Event): void => {
      const element = root.current;
      // `composedPath` also knows what is inside of a custom element, and what the press itself has removed.
      if (element && !event.composedPath().includes(element)) latest.current();
    };
    document.addEventListener("pointerdown", outside);
    document.addEventListener("focusin", outside);
    return () => {
      document.removeEventListener("pointerdown", outside);
      document.removeEventListener("focusin", outside);
    };
  }, [open, root]);
}
