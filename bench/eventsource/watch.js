// Watches each case for 12 s, one after the other, and reports what was seen: [ms, event, readyState].
(async () => {
  const base = "BASE", later = (ms) => new Promise((done) => setTimeout(done, ms));
  const report = (name, saw) => fetch(`${base}/report/${name}`, { method: "POST", body: JSON.stringify(saw) });
  for (const name of await (await fetch(`${base}/cases`)).json()) {
    const saw = [], start = performance.now(), stream = new EventSource(`${base}/s/${name}`);
    const note = (event) => saw.push([Math.round(performance.now() - start), event.type, stream.readyState]);
    for (const type of ["open", "message", "drain", "error"]) stream.addEventListener(type, note);
    await later(12000);
    await report(name, [...saw, stream.readyState]);
    stream.close();
  }
  // Of eight streams to one host: how many open, and whether a request beside them is answered.
  const eight = Array.from({ length: 8 }, (_, n) => new EventSource(`${base}/s/hold?${n}`));
  await later(2000);
  const open = eight.filter((stream) => stream.readyState === 1).length;
  const beside = await Promise.race([fetch(`${base}/cases`).then(() => "answered"), later(2000).then(() => "waits")]);
  for (const stream of eight) stream.close();
  await report("eight", [open, beside]);
  if (globalThis.document) document.title = "done";
})();
