import type { FieldError, Problem as ProblemBody } from "./schemas.js";

/** A request that the server refused, or (`status` 0) that got no response. */
export class RequestError extends Error {
  override readonly name = "RequestError";
  /** Whether the same request may succeed later. */
  readonly temporary: boolean;

  constructor(
    /** The status code; 0 if there was no response. */
    readonly status: number,
    /** The `type` of the problem, such as `urn:tidings:problem:forbidden`; "" if there is none. */
    readonly type: string,
    detail: string,
    readonly errors: readonly FieldError[] = [],
    /** Milliseconds after which the server accepts a repetition, if it said so. */
    readonly retryAfterMs?: number,
  ) {
    super(detail);
    this.temporary = !status || status === 429 || status >= 500;
  }
}

/** The error that a response with a failure status stands for. */
export async function problemOf(response: Response): Promise<RequestError> {
  const { type = "", title, detail = title, errors }: Partial<ProblemBody> = await response.json().catch(() => ({}));
  const { status } = response;
  const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
  return new RequestError(
    status,
    type,
    detail ?? `The server responded with ${status}`,
    errors ?? [],
    Number.isFinite(seconds) ? seconds * 1000 : undefined,
  );
}
