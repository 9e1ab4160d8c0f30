// What a page does: a stock EventSource (or several), each event told as a line of JSON. `tell` is whoever runs this.
const FRAMES = ["hello", "notification", "read", "activity", "heartbeat", "reset", "reauth", "drain"];

function listen(url, streams) {
  for (let stream = 0; stream < streams; stream++) {
    const source = new EventSource(url);
    const told = (event) =>
      tell(JSON.stringify({ stream, event: event.type, id: event.lastEventId, data: JSON.parse(event.data) }));
    FRAMES.forEach((name) => source.addEventListener(name, told));
    source.onerror = () => {
      // Not the end of a connection, which it mends by itself, but of all its trying.
      if (source.readyState === 2) tell(JSON.stringify({ stream, event: "closed", id: "", data: {} }));
    };
  }
}
