// Tidings' own client for browsers, in Node.js: node web.mjs URL USER. It prints what it shows as a line of JSON after each
// change, and does what lines on its standard input say: {"inbox": "markRead", "arguments": [ids]}, {"client": "follow", …}.
import { createInterface } from "node:readline";
import { TidingsClient } from "../../web/packages/client/dist/index.js";

const [, , url, user] = process.argv;
const client = new TidingsClient({ url, user, shareTabs: false, cache: false });
const feed = client.feed();

let printed = "";
/** The calls of the client itself that have ended: the name, and the status of the refusal or null. */
const ended = [];
function print() {
  const { items, seq, unread_count, unread_items, unseen_count, status } = client.inbox.get();
  const shown = {
    connection: client.connectionState.get().status,
    status,
    seq,
    counts: [unread_count, unread_items, unseen_count],
    items: items.map(({ id, message, read_at }) => [id, message, read_at !== null]),
    feed: feed.get().items.map(({ event_id, read_at }) => [event_id, read_at !== null]),
    ...(ended.length && {
      ended,
      follows: client.follows.get().data?.items.map(({ topic }) => topic),
      preferences: client.preferences.get().data?.types,
    }),
  };
  const line = JSON.stringify(shown);
  if (line !== printed) process.stdout.write(`${line}\n`);
  printed = line;
}

for (const store of [client.inbox, client.connectionState, feed]) store.subscribe(print);
client.start();
let undo = () => undefined;
let before = Promise.resolve();
createInterface({ input: process.stdin }).on("line", (line) => {
  before = before.then(() => act(JSON.parse(line)));
});

// One after the other: an undo is known when its read-all has been answered.
async function act({ inbox, feed: list, client: call, arguments: given = [] }) {
  if (inbox === "undo") return undo();
  if (call) {
    const status = await client[call](...given).then(
      () => null,
      (error) => error.status,
    );
    await client.preferences.refetch();
    ended.push([call, status]);
    return print();
  }
  const done = await (inbox ? client.inbox[inbox](...given) : feed[list](...given));
  if (typeof done === "function") undo = done;
}
