/** One message of a stream. */
export interface ServerEvent {
  readonly event: string;
  readonly data: string;
  readonly id: string;
}

/** Parses text/event-stream, as the HTML standard defines it, from chunks that may end anywhere. */
export function createParser(retry: (ms: number) => void): (chunk: string) => ServerEvent[] {
  let rest = "";
  let id = "";
  let event = "";
  let data: string[] = [];
  return (chunk) => {
    // A CR at the end may be the first half of CRLF: it waits for the next chunk.
    const lines = (rest + chunk).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? "";
    const events: ServerEvent[] = [];
    for (const line of lines) {
      const [, name, value = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
      if (!line) {
        if (data[0] !== undefined) events.push({ event: event || "message", data: data.join("\n"), id });
        event = "";
        data = [];
      } else if (name === "event") event = value;
      else if (name === "data") data.push(value);
      else if (name === "id" && !value.includes("\0")) id = value;
      else if (name === "retry" && /^\d+$/.test(value)) retry(Number(value));
    }
    return events;
  };
}
