"""What doctor says of machines, files and keys."""

import asyncio
import http.client
import os
import shutil
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.attack.issuer import document, issuing, jwk
from tests.cli.conftest import Run
from tests.cli.test_client import scripted
from tests.serving import START_S, serving
from tidings import marker
from tidings.cli.doctor import (
    CheckResult,
    Running,
    fsync_ms,
    open_files,
    outside,
    port,
    python,
    readable,
    ready,
    refused,
    sqlite,
    store,
    tokens,
)
from tidings.config import Confirmed, Settings
from tidings.errors import InUse, Unavailable
from tidings.model import Publish
from tidings.rules import Rule
from tidings.setting_checks import masked
from tidings.storage.sqlite import SqliteStore, file_lock, wal
from tidings.storage.sqlite.preflight import reading
from tidings.testing import FakeClock, event

KEY = "0123456789abcdef" * 2


def test_what_cannot_leave_is_warned_of() -> None:
    """A type with a channel that is not set up, and mail addresses that users cannot confirm."""
    types = {"reply": Rule(channels=("email", "web_push", "webhook"))}
    told = [check.detail for check in outside(Settings(), types)]
    assert [("smtp_url" in line, "vapid_private_key" in line) for line in told] == [
        (True, False),
        (False, True),
    ]
    (told_url,) = outside(Settings(smtp_url="smtp://localhost", mail_from="a@b.example"), {})
    assert (told_url.level, "server_url" in told_url.detail) == ("warn", True)
    assert (
        list(
            outside(
                Settings(
                    smtp_url="smtp://localhost", mail_from="a@b.example", server_url="https://a.example"
                ),
                {},
            )
        )
        == []
    )


def levels(settings: Settings) -> list[str]:
    """How each check of these tokens ended."""
    return [check.level for check in tokens(settings)]


def test_a_fit_machine_is_told_so(run: Run) -> None:
    """With dev mode and an empty folder nothing fails, and every check has its line."""
    result = run("doctor", "--dev", "--port", "0")
    assert result.exit_code == 0, result.output
    assert [
        name for name in ("python", "sqlite", "files", "disk", "store", "access") if name not in result.output
    ] == []


def test_a_failing_check_is_the_exit_code(run: Run) -> None:
    """Settings with which the server would not start make doctor fail."""
    result = run("doctor")
    assert result.exit_code == 1
    assert "fail  access" in result.output


def test_port_0_is_not_called_free() -> None:
    """The fault: "port 0 of 127.0.0.1 is free"."""
    state, _, said = port(Settings(port=0), None)
    assert (state, said) == ("ok", "0: the server takes a free port of 127.0.0.1")


def test_old_versions_fail() -> None:
    """Versions are compared as numbers: 3.9 is older than 3.11, and 3.51.10 newer than 3.51.3."""
    assert [python((3, 9, 0)).level, python((3, 11, 0)).level] == ["fail", "ok"]
    assert [sqlite("3.51.2").level, sqlite("3.51.3").level, sqlite("3.51.10").level] == ["fail", "ok", "ok"]


@pytest.mark.parametrize(
    ("confirmed", "url", "said"),
    [
        ("users", "", "users cannot register mail addresses"),
        ("all", "", "nobody can register mail addresses"),
        ("none", "", "addresses of others"),
        ("none", "https://x.example", "addresses of others"),
    ],
)
def test_the_confirmation_of_addresses_is_warned_of(confirmed: Confirmed, url: str, said: str) -> None:
    """Where nobody could register one, and where any user could have mails sent to others."""
    settings = Settings(smtp_url="smtp://x", server_url=url, confirm_addresses=confirmed)
    (told,) = outside(settings, {})
    assert (told.level, said in told.detail) == ("warn", True)


def test_too_few_files_warn() -> None:
    """The limit has to leave room for all streams and something besides."""
    assert [open_files(limit, Settings(max_streams=100)).level for limit in (599, 600, -1)] == [
        "warn",
        "ok",
        "ok",
    ]


def test_the_disk_is_measured(tmp_path: Path) -> None:
    """A real fsync takes some time, and a folder that is not there is an error."""
    assert fsync_ms(tmp_path) > 0
    with pytest.raises(OSError, match="No such file"):
        fsync_ms(tmp_path / "absent")


def lived(path: Path, events: int) -> None:
    """A store that was closed with the same generation in the file and beside it."""

    async def work() -> None:
        store = await SqliteStore.open(path, FakeClock(), Settings())
        for number in range(events):
            await store.write([Publish((event("alice", "like", f"thing:{number}"),))])
        await store.close()

    asyncio.run(work())


def test_a_damaged_store_fails(tmp_path: Path) -> None:
    """A sound store is told sound; with a page overwritten it is not."""
    path = tmp_path / "tidings.db"
    lived(path, 3)
    assert store(path) == CheckResult("ok", "store", f"{path}: sound, at position 3")
    raw = bytearray(path.read_bytes())
    raw[4096:] = b"\xff" * (len(raw) - 4096)
    path.write_bytes(raw)
    assert store(path).level == "fail"
    assert "restore a backup, as docs/guides/running-it.md describes at Restore" in store(path).detail


def test_an_empty_file_is_not_sound(tmp_path: Path) -> None:
    """It warns of a file that holds nothing, and fails where something was: the marker beside it tells."""
    path = tmp_path / "tidings.db"
    path.touch()
    assert store(path).level == "warn"
    path.unlink()
    lived(path, 3)
    path.unlink()
    found = store(path)
    assert found.level == "fail"
    assert "the store that was open here was at position 3: put the file back" in found.detail
    path.touch()
    assert store(path).level == "fail"
    marker.path_of(path).unlink()
    path.unlink()
    Path(f"{path}-wal").write_bytes(b"a log")
    assert store(path).level == "fail"


def test_an_older_file_is_not_sound(tmp_path: Path) -> None:
    """A store that went back in time is warned of, with both positions; the first start takes note, and it is well."""
    path = tmp_path / "tidings.db"
    lived(path, 3)
    older = path.read_bytes()
    lived(path, 2)
    path.write_bytes(older)
    assert store(path).level == "warn"
    assert "it ends at position 3, that one was at 5 at least" in store(path).detail
    lived(path, 0)
    assert store(path).level == "ok"


@pytest.mark.parametrize("whole_frames", [True, False])
def test_a_log_that_was_cut_is_not_sound(tmp_path: Path, whole_frames: bool) -> None:
    """Half of the write-ahead log of a server that was killed, cut between two frames or within one: what was
    acknowledged is gone, and it warns."""
    path, there = tmp_path / "tidings.db", tmp_path / "there"
    there.mkdir()

    async def killed() -> None:
        store = await SqliteStore.open(path, FakeClock(), Settings())
        for number in range(5):
            await store.write([Publish((event("alice", "like", f"thing:{number}"),))])
        await store.check()
        for file in path.parent.glob(f"{path.name}*"):
            shutil.copy(file, there)
        await store.close()

    asyncio.run(killed())
    for file in there.iterdir():
        path.with_name(file.name).write_bytes(file.read_bytes())
    assert store(path).level == "ok"
    log = Path(f"{path}-wal")
    frames = (log.stat().st_size - wal.HEADER) // (wal.FRAME_HEADER + 4096)
    os.truncate(log, wal.size(frames // 2, 4096) + (0 if whole_frames else 100))
    Path(f"{path}-shm").unlink()
    assert store(path).level != "ok"


def test_a_store_and_a_port_in_use_fail(tmp_path: Path) -> None:
    """A second server would be refused, so it is told."""
    path = tmp_path / "tidings.db"
    lived(path, 3)
    held = file_lock.FileLock(path)
    assert (store(path).level, "is in use by" in store(path).detail) == ("fail", True)
    held.close()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        found = port(Settings(port=taken.getsockname()[1]), None)
    assert (found.level, "is in use by another program" in found.detail) == ("fail", True)
    assert port(Settings(port=0), None).level == "ok"


def test_the_claim_that_is_missing_is_named() -> None:
    """With one of the two set, only the other is missed."""
    (told,) = [c for c in tokens(Settings(jwt_secret=KEY, jwt_audience="a")) if c.level == "warn"]
    assert told.detail.startswith("jwt_issuer is empty")


def test_files_that_others_may_read_are_warned_of(tmp_path: Path) -> None:
    """The store of an earlier start under a wide umask, or a copy: it says how to close it."""
    path = tmp_path / "tidings.db"
    lived(path, 3)
    assert list(readable(path)) == []
    path.chmod(0o640)
    marker.path_of(path).chmod(0o644)
    (told,) = readable(path)
    assert (told.level, "tidings.db, tidings.db.marker" in told.detail, "chmod 600" in told.detail) == (
        "warn",
        True,
        True,
    )


def test_a_log_of_another_file_fails(tmp_path: Path) -> None:
    """A copy in the place of the file, beside a log that is not its own: reading both together would be nonsense."""
    path, copy = tmp_path / "tidings.db", tmp_path / "copy.db"
    lived(path, 3)
    shutil.copy(path, copy)
    copy.replace(path)
    assert store(path).level == "warn"
    Path(f"{path}-wal").write_bytes(bytes(100))
    found = store(path)
    assert (found.level, "remove tidings.db-wal" in found.detail) == ("fail", True)


def test_a_log_that_ends_within_a_frame_is_warned_of(tmp_path: Path) -> None:
    """Even when nothing that the marker knows of is lost."""
    path = tmp_path / "tidings.db"
    lived(path, 3)
    Path(f"{path}-wal").write_bytes(bytes(8) + (4096).to_bytes(4, "big") + bytes(100))
    assert "ends within a frame" in store(path).detail


def test_a_file_that_is_no_store_fails(tmp_path: Path) -> None:
    """Text is not taken for a database."""
    path = tmp_path / "tidings.db"
    path.write_text("dear diary " * 1000)
    assert store(path).level == "fail"


def access(settings: Settings) -> list[str]:
    """What is wrong with these settings."""
    return [check.detail for check in refused(settings) if check.level == "fail"]


def test_access_is_judged_as_serve_does() -> None:
    """Dev mode is fine on loopback only, and without keys or dev mode nobody gets in."""
    judged = [Settings(dev=True), Settings(dev=True, host="0.0.0.0"), Settings()]
    judged += [Settings(api_keys=KEY), Settings(api_keys=f"{KEY},short")]
    assert [len(access(settings)) for settings in judged] == [0, 1, 1, 0, 1]


def test_all_refusals_are_told_at_once() -> None:
    """Not the first alone, which is what a start says."""
    both = Settings(locale="tlh", smtp_url="localhost", jwt_secret="short")
    assert [check.name for check in refused(both)] == ["access", "outside", "locale"]


def test_secrets_have_the_length_of_their_hash() -> None:
    """31 bytes fail, 32 do."""
    assert [len(access(Settings(jwt_secret=secret))) for secret in (KEY[:31], KEY)] == [1, 0]


def test_tokens_for_any_audience_are_warned_of() -> None:
    """And those of any issuer."""
    assert levels(Settings(jwt_secret=KEY, jwt_issuer="i", jwt_audience="a")) == []
    assert levels(Settings(jwt_secret=KEY)) == ["warn"]
    assert levels(Settings()) == []


def test_public_keys_are_read_from_text_or_file(tmp_path: Path) -> None:
    """A PEM is loaded as the server would; anything else fails."""
    public = Ed25519PrivateKey.generate().public_key()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    pem = public.public_bytes(serialization.Encoding.PEM, form)
    (tmp_path / "key.pem").write_bytes(pem)
    given = [pem.decode(), str(tmp_path / "key.pem"), str(tmp_path / "absent.pem"), "-----BEGIN nothing"]
    assert [len(access(Settings(jwt_public_key=key))) for key in given] == [0, 0, 1, 1]


def test_key_sets_are_fetched_as_the_server_would(tmp_path: Path) -> None:
    """A set needs a key that can be used. An address that serves nothing now is a warning with the cause, on one line."""
    (tmp_path / "good").write_bytes(document(jwk("a")))
    (tmp_path / "symmetric").write_bytes(document({"kty": "oct", "k": "AAAA"}))
    (tmp_path / "none").write_bytes(document())
    names = ("good", "symmetric", "none", "absent")
    assert [levels(Settings(jwks=str(tmp_path / name)))[0] for name in names] == [
        "ok",
        "fail",
        "fail",
        "fail",
    ]
    with issuing("bad chunking") as issuer:
        check = next(iter(tokens(Settings(jwks=issuer.url))))
        assert (check.level, check.detail.isprintable()) == ("warn", True)
        assert "RemoteProtocolError" in check.detail
        issuer.served = document(jwk("a"), {"kty": 7})
        assert next(iter(tokens(Settings(jwks=issuer.url)))).detail == "jwks: 1 usable keys"


def test_a_check_says_which_file() -> None:
    """What does not exist yet is no failure."""
    assert store(Path("/nowhere/tidings.db")) == CheckResult(
        "ok", "store", "/nowhere/tidings.db does not exist yet"
    )


SECRETS = ("hunter2", "s3cret", "k3y", "fr4gment")


@pytest.mark.parametrize(
    "url", ["https://svc:hunter2@127.0.0.1:9/j?key=s3cret&b=k3y#fr4gment", "https://svc:hu/nter2@[::1]:9/j"]
)
def test_an_address_of_keys_is_shown_without_secrets(url: str) -> None:
    """The fault: user, password and query of a JWKS URL stood in the line that says that the issuer does not answer."""
    told = next(iter(tokens(Settings(jwks=url)))).detail
    assert [secret for secret in (*SECRETS, "nter2", "svc") if secret in told] == []
    assert "/j" in told


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:p@h:1/a?b=c#d", "https://…@h:1/a?…"),
        ("https://u:p@w@h/a", "https://…@h/a"),
        ("postgres://u:p/?#w@h/d", "postgres://…@h/d"),
        ("https://h/a", "https://h/a"),
        ("keys.json", "keys.json"),
        ("::1", "::1"),
    ],
)
def test_a_url_is_masked(url: str, shown: str) -> None:
    """Whatever was not escaped in it."""
    assert masked(url) == shown


def test_a_refused_address_is_shown_without_secrets(run: Run) -> None:
    """The fault: a value that does not fit was repeated with the password in it."""
    for variable in ("TIDINGS_JWKS", "TIDINGS_PUBLIC_URL", "TIDINGS_STORE", "TIDINGS_PORT"):
        result = run("serve", "--dev", **{variable: "x://svc:hunter2@h/?key=s3cret"})
        assert result.exit_code == 2
        assert not any(secret in result.output for secret in SECRETS)
        assert "x://…@h/?…" in result.output


@pytest.mark.parametrize("command", ["serve", "doctor"])
def test_a_secret_in_the_place_of_a_public_key_is_not_shown(run: Run, command: str) -> None:
    """The fault: it was named as a file that does not exist."""
    for value in (*SECRETS, "s3cret" * 100):
        result = run(command, TIDINGS_JWT_PUBLIC_KEY=value, TIDINGS_STORE="memory://", TIDINGS_PORT="0")
        assert result.exit_code != 0
        assert "jwt_public_key: neither PEM nor a readable file, " in result.output
        assert value not in result.output


@pytest.mark.parametrize("left", [(), ("-wal",), ("-wal", "-shm")])
def test_doctor_leaves_no_file(run: Run, tmp_path: Path, left: tuple[str, ...]) -> None:
    """The fault: after an orderly stop, which leaves one whole file, doctor left a -wal and a -shm beside it; and a -shm
    beside the -wal of a server that was killed."""
    path, there = tmp_path / "tidings.db", tmp_path / "there"
    there.mkdir()

    async def killed() -> None:
        store = await SqliteStore.open(path, FakeClock(), Settings())
        await store.write([Publish((event("alice", "like", "thing:1"),))])
        await store.check()
        for end in ("", ".marker", *left):
            shutil.copy(f"{path}{end}", there)
        await store.close()

    asyncio.run(killed())
    if left:
        for file in there.iterdir():
            path.with_name(file.name).write_bytes(file.read_bytes())
    before = {file.name: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
    result = run("doctor", "--dev", "--port", "0")
    assert "sound, at position 1" in result.output
    after = {file.name: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
    assert before.keys() == after.keys()
    assert before["tidings.db"] == after["tidings.db"]


def test_a_running_server_of_the_same_store_is_no_failure(run: Run, tmp_path: Path) -> None:
    """The fault: on a running deployment, port and store were told as failures, "in use by another program"."""
    with serving(tmp_path, "--prefix", "/api") as url:
        port = url.removesuffix("/api").rpartition(":")[2]
        result = run("doctor", "--dev", "--port", port, "--prefix", "/api/")
        assert result.exit_code == 0, result.output
        assert f"ok    port        the server of this store runs and answers at {url}" in result.output
        assert "is in use by process" in result.output
        assert sorted(file.name for file in tmp_path.iterdir())[0] == "tidings.db"
        other = run("doctor", "--dev", "--port", port, "--prefix", "/api", "--store", "sqlite:///other.db")
        assert "fail  port" in other.output
        elsewhere = run("doctor", "--dev", "--port", "0")
        assert "fail  store" in elsewhere.output


def test_a_changed_prefix_is_not_taken_for_another_program(run: Run, tmp_path: Path) -> None:
    """The fault: with another prefix in the settings than the server that runs has, port and store were failures, "in use by
    another program: stop that program"."""
    with serving(tmp_path, "--prefix", "/old") as url:
        number = url.removesuffix("/old").rpartition(":")[2]
        for prefix in ("/new", ""):
            result = run("doctor", "--dev", "--port", number, "--prefix", prefix)
            assert result.exit_code == 0, result.output
            assert "warn  port        the server of this store runs, but has no" in result.output
            assert "prefix was changed after its start" in result.output
        result = run("serve", "--dev", "--port", number, "--prefix", "/new")
        assert (result.exit_code, "prefix was changed after its start" in result.output) == (1, True)
        moved = run("doctor", "--dev", "--port", "0", "--prefix", "/old")
        assert "a restart does, if it is this server on another host or port" in moved.output


@pytest.mark.parametrize("replaced", [False, True])
def test_files_that_a_server_has_open_are_not_to_be_removed(run: Run, tmp_path: Path, replaced: bool) -> None:
    """The fault: after the file was deleted or replaced under a server, its own port was "in use by another program", and
    the advice was to remove the write-ahead log and the marker, to which the server still wrote."""
    lived(tmp_path / "other.db", 3)
    with serving(tmp_path) as url:
        get(url, "/v1/users/ann/mutes/listing:1", "PUT")
        known = marker.read(tmp_path / "tidings.db")
        assert known is not None
        (tmp_path / "tidings.db").unlink()
        if replaced:
            (tmp_path / "other.db").rename(tmp_path / "tidings.db")
        get(url, "/v1/users/ann/mutes/listing:2", "PUT")  # a write finds it out at once
        for command in ("doctor", "serve"):
            result = run(command, "--dev", "--port", url.rpartition(":")[2] if command == "doctor" else "0")
            assert result.exit_code == 1
            assert (
                f"Process {known.process}, which had the store open, may still run: stop it" in result.output
            )
            if command == "doctor":
                assert (
                    f"ok    port        the server of this store runs and answers at {url}" in result.output
                )
                assert "fail  ready" in result.output


def test_only_a_process_that_runs_is_named(tmp_path: Path) -> None:
    """A number that is no process, this process, and a damaged number give no advice to stop it."""
    path = tmp_path / "tidings.db"
    for process in (0, os.getpid(), 1 << 61, (1 << 22) + 1):
        marker.replace(path, marker.Marker("epoch", 1, 1, 1, process))
        assert marker.running_process(path) == 0
    marker.replace(path, marker.Marker("epoch", 1, 1, 1, os.getppid()))
    assert marker.running_process(path) == os.getppid()


def get(url: str, path: str, method: str = "GET", body: str = "") -> tuple[int, str]:
    """The status and the text of an answer."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=START_S)
    with closing(connection):
        connection.request(method, path, body or None, {"content-type": "application/json"} if body else {})
        reply = connection.getresponse()
        return reply.status, reply.read().decode()


def test_a_clash_of_types_is_found_while_the_server_runs(run: Run, tmp_path: Path) -> None:
    """The fault: only with the server stopped, so settings that had passed ended in a server that did not start. The store
    is read beside the server, which raises no alarm."""
    with serving(tmp_path) as url:
        assert get(url, "/v1/admin/types/sold", "PUT", '{"verbs": ["sold", "resold"]}')[0] == 200
        (tmp_path / "tidings.toml").write_text('[types.sale]\nverbs = ["sold"]\n')
        result = run("doctor", "--dev", "--port", url.rpartition(":")[2])
        assert result.exit_code == 1
        assert (
            "fail  types       types: the verb 'sold' is claimed by the types 'sale' and 'sold'"
            in result.output
        )
        assert "DELETE /v1/admin/types/sold" in result.output
        assert get(url, "/v1/admin/types/sold", "DELETE")[0] == 204
        result = run("doctor", "--dev", "--port", url.rpartition(":")[2])
        assert (result.exit_code, "fail" in result.output) == (0, False), result.output
        assert get(url, "/readyz")[0] == 200
        assert sorted(file.name for file in tmp_path.iterdir()) == sorted(
            ["tidings.toml", "tidings.db", *(f"tidings.db{end}" for end in ("-shm", "-wal", ".marker"))]
        )


def test_an_older_file_at_the_same_position_is_not_said_to_end_earlier() -> None:
    """The fault: "it ends at position 44, that one was at 44 at least"."""
    known = marker.Marker("epoch", 3, 44, 1)
    assert marker.restored(known, marker.Marker("epoch", 2, 44, 1)).endswith("count of generations shows")
    assert "at position 43, that one was at 44" in marker.restored(known, marker.Marker("epoch", 2, 43, 1))


def test_a_server_that_is_not_ready_fails(tmp_path: Path) -> None:
    """The fault: doctor asked only whether it was alive, and passed while the server refused all writes."""
    with serving(tmp_path) as url:
        assert list(ready(Running(url))) == []
        (tmp_path / "tidings.db-wal").rename(tmp_path / "moved")
        get(url, "/v1/users/ann/mutes/listing:1", "PUT")  # a write finds it out at once
        (found,) = ready(Running(url))
        assert (found.level, found.name, "503" in found.detail) == ("fail", "ready", True)
        (tmp_path / "moved").rename(tmp_path / "tidings.db-wal")
    assert list(ready(None)) == []


def test_what_only_listens_is_not_taken_for_the_server(run: Run, tmp_path: Path) -> None:
    """Another program at the port of a store that is open is in the way of a start."""
    with serving(tmp_path), scripted() as (url, _):
        result = run("doctor", "--dev", "--port", url.rpartition(":")[2])
        assert "fail  port" in result.output
        assert "fail  store" in result.output


@pytest.fixture(params=["closed", "killed"])
def readable_store(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A store after an orderly stop, and one whose server was killed and left a write-ahead log."""
    path, there = tmp_path / "tidings.db", tmp_path / "there"
    there.mkdir()

    async def work() -> None:
        store = await SqliteStore.open(path, FakeClock(), Settings())
        await store.write([Publish((event("alice"),))])
        await store.check()
        for end in ("", ".marker", "-wal"):
            shutil.copy(f"{path}{end}", there)
        await store.close()

    asyncio.run(work())
    if request.param == "killed":
        for file in there.iterdir():
            path.with_name(file.name).write_bytes(file.read_bytes())
    return path


def test_doctors_do_not_lock_out_each_other(readable_store: Path) -> None:
    """The fault: the second one said that the store was in use by another process."""
    with reading(readable_store), reading(readable_store):
        assert store(readable_store) == CheckResult("ok", "store", f"{readable_store}: sound, at position 1")


def read_while(path: Path, happens: Callable[[], object], statement: str) -> None:
    """Execute a statement in a store that is being read, after this happened."""
    with reading(path) as connection:
        happens()
        connection.execute(statement).fetchall()


def test_a_server_starts_while_doctor_reads(readable_store: Path) -> None:
    """The fault: the file was locked as long as it was checked, so a start or a restart meanwhile ended with 1."""
    with pytest.raises(Unavailable, match="was changed while it was read: repeat the check"):
        read_while(readable_store, lambda: lived(readable_store, 3), "SELECT * FROM meta")
    assert store(readable_store).detail.endswith("sound, at position 4")


def test_a_server_that_started_while_doctor_reads_is_named(readable_store: Path) -> None:
    """What was found in a file that is being written is not told as damage."""
    held: list[file_lock.FileLock] = []

    def start() -> None:
        held.append(file_lock.FileLock(readable_store))
        os.utime(readable_store)

    with pytest.raises(InUse, match="is in use by"):
        read_while(readable_store, start, "SELECT * FROM absent")
    held[0].close()
