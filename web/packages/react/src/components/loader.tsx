import { type ReactNode, useEffect, useRef, useState } from "react";
import { useConnection } from "../hooks/connection.js";
import { useTexts } from "../provider.js";
import { Skeleton } from "./states.js";

export interface LoaderProps {
  readonly status: "empty" | "cached" | "loaded";
  readonly loadingMore: boolean;
  readonly next_cursor: string | null;
  loadMore(): Promise<void>;
  retry(): Promise<void>;
  readonly children: ReactNode;
}

/** Milliseconds of placeholders after which the user may try again: the client reports no failure of a first page. */
const PATIENCE_MS = 10_000;

/** A list while it is loaded: placeholders, the next page when its end comes into view, and what to do after a failure. */
export function Loader(props: LoaderProps): ReactNode {
  const { status, loadingMore, next_cursor, loadMore, retry, children } = props;
  const { messages } = useTexts();
  const { status: connection } = useConnection();
  const [failed, setFailed] = useState(false);
  const end = useRef<HTMLDivElement>(null);
  const more = status !== "empty" && next_cursor !== null;
  const load = (work: () => Promise<void>): void => {
    setFailed(false);
    work().catch(() => setFailed(true));
  };
  useEffect(() => {
    const element = end.current;
    if (!element || !more || loadingMore || failed || typeof IntersectionObserver === "undefined") return undefined;
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting)) loadMore().catch(() => setFailed(true));
      },
      { rootMargin: "400px" },
    );
    observer.observe(element);
    return () => observer.disconnect();
  }, [more, loadingMore, failed, loadMore]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a list that has come after all has not failed
  useEffect(() => setFailed(false), [status]);
  useEffect(() => {
    if (status !== "empty" || failed) return undefined;
    const timer = setTimeout(() => setFailed(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, [status, failed]);
  if (status === "empty") {
    const down = failed || connection === "waiting";
    return down ? <Failed retry={() => load(retry)} /> : <Skeleton />;
  }
  return (
    <>
      {children}
      <div ref={end} className="tidings-end">
        {loadingMore && <Skeleton rows={1} />}
        {failed && more ? (
          <Failed retry={() => load(loadMore)} />
        ) : (
          more &&
          !loadingMore && (
            <button type="button" className="tidings-button" onClick={() => load(loadMore)}>
              {messages.loadMore}
            </button>
          )
        )}
      </div>
    </>
  );
}

function Failed({ retry }: { retry: () => void }): ReactNode {
  const { messages } = useTexts();
  return (
    <div className="tidings-failed" role="alert">
      <p>{messages.failed}</p>
      <button type="button" className="tidings-button" onClick={retry}>
        {messages.retry}
      </button>
    </div>
  );
}
