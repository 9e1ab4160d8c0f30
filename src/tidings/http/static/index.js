// The first page: what the API says, shown as it is. Texts are set as text, never as markup.
"use strict";

const KEPT = 10;
const AGAIN_MS = 3000;
const $ = (id) => document.getElementById(id);
let leaving = new AbortController();

const credential = () => ($("token").value ? { Authorization: `Bearer ${$("token").value}` } : {});

async function get(path, signal) {
  const reply = await fetch(path, { headers: credential(), signal });
  if (reply.ok) return reply;
  const error = new Error(`${reply.status} ${(await reply.json()).detail}`);
  error.final = reply.status < 500 && reply.status !== 429;
  throw error;
}

const json = async (path, signal) => (await get(path, signal)).json();

function line(text, at, unread) {
  const item = document.createElement("li");
  item.textContent = text + " ";
  if (unread) item.className = "unread";
  if (at) {
    const time = document.createElement("time");
    time.dateTime = at;
    time.textContent = new Date(at).toLocaleString();
    item.append(time);
  }
  return item;
}

const sentence = (e) =>
  `${e.actor_name || e.actor_id} · ${e.verb.replaceAll("_", " ")} · ${e.object_title || `${e.object_type} ${e.object_id}`}`;

const eventLine = (e) => line(sentence(e), e.created_at, e.read_at === null);
function noticeLine(n) {
  const item = line(n.message, n.updated_at, n.read_at === null);
  item.dataset.id = n.id;
  item.dataset.unreadSeq = n.unread_seq;
  return item;
}

function put(list, items) {
  const nothing = line("Nothing yet.");
  nothing.className = "quiet";
  $(list).replaceChildren(...(items.length ? items : [nothing]));
}

function add(list, item) {
  $(list).querySelector(".quiet")?.remove();
  $(list).prepend(item);
  while ($(list).children.length > KEPT) $(list).lastChild.remove();
}

// A group that grew goes to the top; one that was only read stays where it is.
function change(notice) {
  const known = $("inbox").querySelector(`[data-id="${CSS.escape(notice.id)}"]`);
  if (notice.deleted || notice.archived_at) known?.remove();
  else if (known && notice.read_at) known.replaceWith(noticeLine(notice));
  else {
    known?.remove();
    add("inbox", noticeLine(notice));
  }
}

function readUpTo(seq) {
  for (const item of $("inbox").querySelectorAll(".unread"))
    if (Number(item.dataset.unreadSeq) <= seq) item.classList.remove("unread");
}

function bell(count) {
  $("bell").textContent = `${count} unread`;
}

function trouble(error) {
  $("trouble").hidden = !error;
  $("trouble").textContent = error ? String(error.message || error) : "";
}

async function everybody() {
  const top = await json("v1/top?window=1h&by=object&limit=10");
  put("objects", top.items.map((one) => line(`${one.count} × ${one.key}`)));
  const page = await json(`v1/activity?limit=${KEPT}`);
  put("activity", page.items.map(eventLine));
}

async function person(user, signal) {
  const who = `user_id=${encodeURIComponent(user)}`;
  const feed = await json(`v1/feed?${who}&limit=${KEPT}`, signal);
  const inbox = await json(`v1/notifications?${who}&limit=${KEPT}`, signal);
  put("feed", feed.items.map(eventLine));
  put("inbox", inbox.items.map(noticeLine));
  bell(inbox.unread_count);
  await follow(`v1/notifications/stream?${who}&include=notifications,activity`, signal);
  setTimeout(() => signal.aborted || show(), AGAIN_MS);
}

// A stock EventSource does this too, but cannot send a credential.
async function follow(path, signal) {
  const reader = (await get(path, signal)).body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const frames = (rest + value).split("\n\n");
    rest = frames.pop();
    frames.forEach(take);
  }
}

function take(frame) {
  const name = /^event: (.*)$/m.exec(frame)?.[1];
  const data = /^data: (.*)$/m.exec(frame)?.[1];
  if (!name || !data) return;
  const said = JSON.parse(data);
  if (said.unread_count !== undefined) bell(said.unread_count);
  if (name === "read" && said.up_to !== undefined) readUpTo(said.up_to);
  for (const one of name === "notification" ? [said] : said.items || []) change(one);
  if (name === "activity") add("feed", eventLine(said));
  if (name === "notification" || name === "activity") refreshSoon();
}

// However many events come, what everybody does is asked for once a second at most.
let refresh;
function refreshSoon() {
  refresh ??= setTimeout(() => {
    refresh = undefined;
    everybody().catch(trouble);
  }, 1000);
}

function show() {
  leaving.abort();
  leaving = new AbortController();
  trouble();
  everybody().catch(trouble);
  const { signal } = leaving;
  person($("user").value, signal).catch((error) => {
    if (signal.aborted) return;
    trouble(error);
    if (!error.final) setTimeout(() => signal.aborted || show(), AGAIN_MS);
  });
}

// Without a credential nothing can be shown, except by a server with --dev.
async function begin() {
  const reply = await fetch("v1/top?window=1h&by=object&limit=1").catch(() => undefined);
  if (reply?.status !== 401) return show();
  examples(` \\\n     -H "Authorization: Bearer $TIDINGS_API_KEY"`);
  trouble("This server needs a key or a token: enter one above.");
}

const here = location.href.replace(/[#?].*$/, "").replace(/\/$/, "");
function examples(header) {
  $("curl").textContent = `curl -d '{"actor_id":"alice","verb":"comment","object_type":"market","object_id":"42","target_user_ids":["bob"]}' \\
     -H 'content-type: application/json' ${here}/v1/events${header}
curl '${here}/v1/notifications?user_id=bob'${header}
curl -N '${here}/v1/notifications/stream?user_id=bob'${header}`;
}
examples("");
$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  show();
});
$("user").value = new URLSearchParams(location.search).get("user") || $("user").value;
begin();
