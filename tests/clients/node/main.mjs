// Listens with npm's EventSource: node main.mjs URL [STREAMS]
import { readFileSync } from "node:fs";
import { runInThisContext } from "node:vm";
import { EventSource } from "eventsource";

Object.assign(globalThis, { EventSource, tell: (line) => process.stdout.write(line + "\n") });
runInThisContext(readFileSync(new URL("../listen.js", import.meta.url), "utf8"));
listen(process.argv[2], Number(process.argv[3] ?? 1));
