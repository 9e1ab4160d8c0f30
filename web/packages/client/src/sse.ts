/** One message of a stream. */
export interface ServerEvent {
  readonly event: string;
  readonly data: string;
  readonly id: string;
}

/** Parses text/event-stream, as the HTML standard defines it, from chunks that may end anywhere. */
export class EventParser {
  /** The reconnection time that the server set last, in milliseconds. */
  retryMs: number | undefined;
  private rest = "";
  private id = "";
  private name = "";
  private data: string[] = [];

  feed(chunk: string): ServerEvent[] {
    // A CR at the end may be the first half of CRLF: it waits for the next chunk.
    const lines = (this.rest + chunk).split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop() ?? "";
    const events: ServerEvent[] = [];
    for (const line of lines) {
      if (line) this.field(line);
      else this.dispatch(events);
    }
    return events;
  }

  private field(line: string): void {
    const colon = line.indexOf(":");
    if (colon === 0) return; // a comment
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "event") this.name = value;
    else if (name === "data") this.data.push(value);
    else if (name === "id" && !value.includes("\0")) this.id = value;
    else if (name === "retry" && /^\d+$/.test(value)) this.retryMs = Number(value);
  }

  private dispatch(events: ServerEvent[]): void {
    if (this.data.length) events.push({ event: this.name || "message", data: this.data.join("\n"), id: this.id });
    this.name = "";
    this.data = [];
  }
}
