"""Scripted answers for an EventSource, and what a client made of them (docs/adr/0010). Start this anew for each client, as
``python -m bench.eventsource.server [port]``: its case "restart" closes the port. Clients, for the default port:

- a browser: http://127.0.0.1:8700/, or from another origin http://localhost:8700/, visible until "done" (eight minutes)
- npm: ``node -e 'globalThis.EventSource = require("eventsource").EventSource;
  fetch("http://127.0.0.1:8700/watch.js").then(r => r.text()).then(eval)'``
- curl: ``curl -sN --retry 2 --max-time 12 http://127.0.0.1:8700/s/<case>`` for each in /cases
- then /table: for each case how many requests, the ms from the end of each answer to the next request, their Last-Event-IDs,
  what the client saw, and its last request
"""

import asyncio
import json
import socket
import struct
import sys
import time
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

HOST, PORT = "127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8700


class Answer(NamedTuple):
    """Status with headers, body, and how the connection ends: fin, rst, hold, restart."""

    head: str
    body: bytes = b""
    end: str = "fin"


STREAM = "200 OK\r\nContent-Type: text/event-stream"
CHUNKED = f"{STREAM}\r\nTransfer-Encoding: chunked"
ITEM = b"id: 7\ndata: x\n\n"
CHUNK = b"%x\r\n%b\r\n" % (len(ITEM), ITEM)
REFUSALS = {
    "429": Answer("429 Too Many Requests\r\nRetry-After: 2"),
    "503": Answer("503 Service Unavailable\r\nRetry-After: 2"),
    **{status: Answer(f"{status} Status") for status in ("401", "500", "502", "204")},
    "200-json": Answer("200 OK\r\nContent-Type: application/json", b"{}"),
    "200-empty": Answer(STREAM),
    "200-retry": Answer(STREAM, b"retry: 1500\n\n"),
    "200-drain": Answer(STREAM, b"retry: 1500\n\nevent: drain\ndata: {}\n\n"),
    "200-reset": Answer(STREAM, end="rst"),
    "no-answer": Answer(""),
    "no-answer-reset": Answer("", end="rst"),
}
ADMITTED = Answer(STREAM, b"retry: 1000\n\n" + ITEM)
CASES: dict[str, tuple[Answer, ...]] = {
    **{name: (answer,) for name, answer in REFUSALS.items()},
    **{f"stream-then-{name}": (ADMITTED, answer) for name, answer in REFUSALS.items()},
    **{f"cut-retry-{ms}": (Answer(STREAM, b"retry: %d\n\n" % ms + ITEM),) for ms in (0, 100, 8000)},
    "cut-fin": (Answer(STREAM, ITEM),),
    "cut-chunked-ended": (Answer(CHUNKED, CHUNK + b"0\r\n\r\n"),),
    "cut-mid-chunk": (Answer(CHUNKED, CHUNK + b"40\r\ndata: h"),),
    "cut-reset": (Answer(STREAM, ITEM, "rst"),),
    "redirect": (Answer("307 Temporary Redirect\r\nLocation: /s/cut-fin"),),
    "restart": (ADMITTED._replace(end="restart"), Answer(STREAM, ITEM, "hold")),
    "hold": (Answer(STREAM, ITEM, "hold"),),
}
requests: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
reports: dict[str, str] = {}
restarting = asyncio.Event()


async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One request for each connection; browsers also open some for none."""
    if line := (await reader.readline()).decode():
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in lines if one)}
        kind, _, case = line.split()[1].partition("?")[0].strip("/").partition("/")
        if kind == "s":
            mine, answers = requests[case], CASES[case]
            mine.append(record := {"came": time.monotonic(), "headers": headers})
            await send(reader, writer, answers[min(len(mine), len(answers)) - 1])
            record["ended"] = time.monotonic()
        else:
            if kind == "report":
                reports[case] = (await reader.readexactly(int(headers["content-length"]))).decode()
            await send(reader, writer, Answer("200 OK\r\nContent-Type: text/html", page(kind).encode()))
    writer.close()


async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer) -> None:
    """The answer, and its end. A reset waits until the client has read what it would take back."""
    head = f"HTTP/1.1 {answer.head}\r\nConnection: close\r\nAccess-Control-Allow-Origin: *\r\n\r\n"
    writer.write(head.encode() + answer.body if answer.head else b"")
    if answer.end == "hold":
        await reader.read()
    elif answer.end == "rst":
        await asyncio.sleep(0.1)
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    elif answer.end == "restart":
        restarting.set()


def page(kind: str) -> str:
    """The page that watches, its script, the cases, the table."""
    if kind == "watch.js":
        return Path(__file__).with_name(kind).read_text().replace("BASE", f"http://{HOST}:{PORT}")
    if kind == "cases":
        return json.dumps(list(CASES))
    if kind == "table":
        return "".join(row(case, requests[case]) for case in dict.fromkeys([*requests, *reports]))
    return "<!doctype html><title>running</title><script src=/watch.js></script>"


def row(case: str, mine: list[dict[str, Any]]) -> str:
    """One line of the table."""
    gaps = [round((b["came"] - a.get("ended", b["came"])) * 1000) for a, b in pairwise(mine)]
    ids = " ".join(one["headers"].get("last-event-id", "-") for one in mine)
    return f"{case} | {len(mine)} | {gaps} | {ids} | {reports.get(case)} | {mine[-1:]}\n"


async def main() -> None:
    """Serve until interrupted."""
    while True:
        server = await asyncio.start_server(handle, HOST, PORT)
        await restarting.wait()
        server.close()
        restarting.clear()
        await asyncio.sleep(5)


if __name__ == "__main__":
    asyncio.run(main())
