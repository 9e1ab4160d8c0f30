"""An orderly stop leaves one file that holds everything: who copies it, and nothing else, has every acknowledged event."""

import asyncio
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from unittest.mock import Mock
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn

from tests.crash.client import TIMEOUT_S, Client, load
from tests.crash.effort import repeatable, seeds
from tests.crash.server_process import serving
from tests.crash.test_kill import check, gather
from tests.serving import STOP_S, within
from tidings.process import KILLED, _Server, _Stop

SAYS_WHEN_IT_WAITS = """
from tidings.cli import main
from tidings.outbound.dispatcher import DeliveryDispatcher as Dispatcher

async def close(self, close=Dispatcher.close):
    print("waiting", flush=True)
    await close(self)

Dispatcher.close = close
main(prog_name="tidings")
"""
"""A server that prints a line when it begins to wait for deliveries under way."""
LOOPBACK = "127.0.0.1"
CLIENTS = 3
ACKNOWLEDGED = 60
"""Requests acknowledged before the server is told to stop."""
TRIES = 100_000
"""Connections tried, some microseconds each, until a server that was told to stop must refuse one."""

WAITING = (
    b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Expect: 100-continue\r\nContent-Length: 100\r\n\r\n"
)
"""A request whose body does not come."""

UNDER_NOHUP = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
HANGUP = pytest.param(
    signal.SIGHUP, marks=pytest.mark.skipif(UNDER_NOHUP, reason="its servers ignore it too")
)


def stopped(process: subprocess.Popen[str]) -> int:
    """The exit code of a server that was told to stop."""
    return process.wait(timeout=STOP_S)


def copied(path: Path) -> Path:
    """A plain copy of the file in a folder of its own, after no other file of the database was left beside it."""
    assert [beside.name for beside in path.parent.glob(f"{path.name}-*")] == []
    folder = path.parent / "copy"
    folder.mkdir()
    return Path(shutil.copy(path, folder))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("seed", seeds(2, 50))
def test_a_copy_after_a_stop_has_all_that_was_acknowledged(tmp_path: Path, seed: int, number: int) -> None:
    """I1, I2, I3, I6 of a plain copy of the file after a stop by signal under load: the exit code is 0, and the
    write-ahead log is gone."""
    path = tmp_path / "tidings.db"
    clients = [Client(of, seed) for of in range(CLIENTS)]
    with repeatable(seed, "test_stop.py"):
        with serving(path) as (url, process):
            with httpx.Client(base_url=url, timeout=TIMEOUT_S) as http:
                gather(http)
            load(clients, url, ACKNOWLEDGED + seed, lambda: process.send_signal(number))
            assert stopped(process) == 0
        with serving(copied(path)) as (url, _), httpx.Client(base_url=url, timeout=TIMEOUT_S) as http:
            check(http, clients)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, HANGUP])
def test_a_second_signal_cuts_what_is_open_and_still_closes_the_store(tmp_path: Path, number: int) -> None:
    """A request whose body never comes holds up the first stop for as long as it may; the second one waits for nothing,
    and the file is whole all the same."""
    path = tmp_path / "tidings.db"
    with serving(path, "--shutdown-s=600", "--body-timeout-s=600") as (url, process):
        event = {"actor_id": "a", "verb": "v", "object_type": "t", "object_id": "1"}
        assert httpx.post(f"{url}/v1/events", json=event).status_code == 201
        address = (urlsplit(url).hostname or "", urlsplit(url).port or 0)
        with socket.create_connection(address, timeout=TIMEOUT_S) as held:
            held.sendall(WAITING)
            assert held.recv(1) == b"H"  # the handler waits for the body
            process.send_signal(number)
            wait_until_refused(address)
            process.send_signal(number)
            assert stopped(process) == 0
    with serving(copied(path)) as (url, _):
        assert httpx.get(f"{url}/v1/admin/status").json()["position"] == 1


def test_a_request_that_a_stop_ends_gets_a_reply_and_no_traceback(tmp_path: Path) -> None:
    """The fault: each request that was still waiting when the time of a stop was over got a 500 without a problem, and the
    log a traceback of CancelledError for it."""
    errors = tmp_path / "errors"
    with (
        errors.open("w") as said,
        serving(tmp_path / "tidings.db", "--shutdown-s=1", errors=said) as (url, process),
    ):
        address = (urlsplit(url).hostname or "", urlsplit(url).port or 0)
        with socket.create_connection(address, timeout=TIMEOUT_S) as held:
            held.sendall(WAITING)
            assert held.recv(1) == b"H"  # the handler waits for the body
            process.send_signal(signal.SIGTERM)
            with held.makefile("rb") as reply:
                assert b"TTP/1.1 503 " in (text := reply.read())
            assert b"urn:tidings:problem:unavailable" in text
        assert stopped(process) == 0
    assert "Traceback" not in errors.read_text()


def test_a_second_signal_during_a_delivery_cuts_it_and_still_closes_the_store(tmp_path: Path) -> None:
    """The fault: it ended the process like a kill, and left the write-ahead log beside the file."""
    path = tmp_path / "tidings.db"
    toml, program = tmp_path / "tidings.toml", ("-c", SAYS_WHEN_IT_WAITS)
    toml.write_text(
        f'webhook_allow_http = true\nwebhook_allow_networks = "{LOOPBACK}/32"\n[types.v]\nchannels = ["webhook"]\n'
    )
    with socket.create_server((LOOPBACK, 0)) as receiver, serving(path, program=program) as (url, process):
        receiver.settimeout(TIMEOUT_S)
        with httpx.Client(base_url=url, timeout=TIMEOUT_S) as http:
            hook = {"channel": "webhook", "address": f"http://{LOOPBACK}:{receiver.getsockname()[1]}/"}
            http.post("/v1/endpoints", params={"user_id": "bob"}, json=hook).raise_for_status()
            event = {"actor_id": "a", "verb": "v", "object_type": "t", "object_id": "1"}
            told = http.post("/v1/events", json=event | {"target_user_ids": ["bob"]}).raise_for_status()
        attempt, _ = receiver.accept()
        with attempt:
            attempt.settimeout(TIMEOUT_S)
            assert attempt.recv(4) == b"POST"  # and gets no answer
            process.send_signal(signal.SIGTERM)
            assert process.stdout is not None
            said = process.stdout
            assert within(STOP_S, process, lambda: "waiting\n" in iter(said.readline, ""))
            process.send_signal(signal.SIGTERM)
            assert stopped(process) == 0
    with serving(copied(path)) as (url, _):
        assert httpx.get(f"{url}/v1/admin/status").json()["position"] == told.json()["position"]


def test_a_third_signal_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while nothing is served any more, and the store is being closed."""
    ended: list[int] = []
    monkeypatch.setattr("tidings.process.os._exit", ended.append)

    async def scene() -> None:
        cut = asyncio.Event()
        server = _Server(uvicorn.Config("no_app"), Mock(), cut.set, Mock())
        with _Stop() as stop, stop.stopping(server):
            signal.raise_signal(signal.SIGTERM)
            assert server.should_exit
            assert not server.force_exit
            signal.raise_signal(signal.SIGTERM)
            await asyncio.wait_for(cut.wait(), TIMEOUT_S)
            assert server.force_exit
            assert ended == []
            signal.raise_signal(signal.SIGTERM)
            assert ended == [KILLED + signal.SIGTERM]

    asyncio.run(scene())


def test_a_store_that_is_not_left_whole_is_an_error_of_the_server(tmp_path: Path) -> None:
    """The fault: what prevented an orderly end was logged, and the exit code was 0. Whoever stops the server to copy its
    file would have believed that the file is whole."""
    path, errors = tmp_path / "tidings.db", tmp_path / "errors"
    with errors.open("w") as said, serving(path, errors=said) as (_, process):
        path.rename(tmp_path / "aside.db")
        process.send_signal(signal.SIGTERM)
        assert stopped(process) == 1
    last = errors.read_text().splitlines()[-1]
    assert last.startswith(
        f"Error: the file of the store is not complete: {path} was deleted or moved while it was open"
    )
    assert "Traceback" not in errors.read_text()


def test_a_hangup_that_is_ignored_stays_ignored() -> None:
    """A server under nohup outlives its terminal."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with _Stop():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        with _Stop():
            assert signal.getsignal(signal.SIGHUP) is not signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


def wait_until_refused(address: tuple[str, int]) -> None:
    """Connect again and again until nobody listens."""
    for _ in range(TRIES):
        try:
            socket.create_connection(address, timeout=TIMEOUT_S).close()
        except ConnectionRefusedError:
            return
        except ConnectionResetError:
            continue  # it was waiting to be accepted when the listening ended
    raise AssertionError("it still listens")
