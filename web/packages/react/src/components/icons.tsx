import type { ReactNode } from "react";

const PATHS = {
  bell: "M6 9a6 6 0 1 1 12 0c0 5 2 6 2 7H4c0-1 2-2 2-7m4 10a2 2 0 0 0 4 0",
  check: "m5 12.5 4.5 4.5L19 7",
  checks: "m2 12.5 4.5 4.5L15 8m-4 8 1 1L22 8",
  dot: "M12 7a5 5 0 1 0 .01 0z",
  archive: "M4 8v11h16V8M3 4h18v4H3zm7 8h4",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  up: "M12 19V5m-6 6 6-6 6 6",
  close: "m6 6 12 12M18 6 6 18",
  inbox: "M4 13h4l2 3h4l2-3h4M4 13l3-8h10l3 8v6H4z",
  pulse: "M3 12h4l3-8 4 16 3-8h4",
  pin: "M9 4h6l-1 7 3 3H7l3-3zm3 10v6",
  gear: "M4 7h10m4 0h2M4 17h2m4 0h10M16 5v4M8 15v4",
} as const;

export type IconName = keyof typeof PATHS;

/** A line icon of the size of the text around it. */
export function Icon({ name }: { name: IconName }): ReactNode {
  return (
    <svg
      className={`tidings-icon tidings-icon--${name}`}
      viewBox="0 0 24 24"
      width="16"
      height="16"
      fill="none"
      stroke="currentColor"
      strokeWidth={name === "more" ? 3 : 1.75}
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}
