import { describe, expect, test } from "vitest";
import { createParser } from "../src/sse.js";
import { seeded } from "./runtime.js";

const STREAM =
  "retry: 1500\n\nevent: hello\nid: e1.1.0\ndata: {}\n\n: a comment\n\nevent:notification\r\nid: e1.2.0\r\ndata: one\r\ndata: two\r\n\r\n" +
  "data: no name\rdata: in old Mac lines\r\rid: unfinished\n";
const EVENTS = [
  { event: "hello", id: "e1.1.0", data: "{}" },
  { event: "notification", id: "e1.2.0", data: "one\ntwo" },
  { event: "message", id: "e1.2.0", data: "no name\nin old Mac lines" },
];

describe("the parser of server-sent events", () => {
  test("reads what the standard describes, wherever chunks end", () => {
    for (let seed = 0; seed < 500; seed += 1) {
      const random = seeded(seed);
      const times: number[] = [];
      const parse = createParser((ms) => times.push(ms));
      const events = [];
      for (let at = 0; at < STREAM.length; ) {
        const end = at + 1 + Math.floor(random() * 9);
        events.push(...parse(STREAM.slice(at, end)));
        at = end;
      }
      expect(events).toEqual(EVENTS);
      expect(times).toEqual([1500]);
    }
  });

  test("takes no id with a null character and no retry that is no number", () => {
    const times: number[] = [];
    const parse = createParser((ms) => times.push(ms));
    expect(parse("id: a\0b\nretry: soon\ndata: x\n\n")).toEqual([{ event: "message", id: "", data: "x" }]);
    expect(times).toEqual([]);
  });
});
