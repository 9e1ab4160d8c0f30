"""What doctor says of machines, files and keys."""

import asyncio
import os
import shutil
import socket
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.attack.issuer import document, issuing, jwk
from tests.cli.conftest import Run
from tidings import marker
from tidings.cli.doctor import (
    WAL_FRAME_HEADER,
    WAL_HEADER,
    Check,
    access,
    checks,
    fsync_ms,
    open_files,
    outside,
    port,
    python,
    readable,
    sqlite,
    store,
    tokens,
)
from tidings.config import Settings
from tidings.model import Publish
from tidings.rules import Rule
from tidings.storage.sqlite import SqliteStore, file_lock
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


def test_old_versions_fail() -> None:
    """Versions are compared as numbers: 3.9 is older than 3.11, and 3.51.10 newer than 3.51.3."""
    assert [python((3, 9, 0)).level, python((3, 11, 0)).level] == ["fail", "ok"]
    assert [sqlite("3.51.2").level, sqlite("3.51.3").level, sqlite("3.51.10").level] == ["fail", "ok", "ok"]


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
    assert store(path) == Check("ok", "store", f"{path}: sound, at position 3")
    raw = bytearray(path.read_bytes())
    raw[4096:] = b"\xff" * (len(raw) - 4096)
    path.write_bytes(raw)
    assert store(path).level == "fail"


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
    assert "a store was open here that had come to position 3: put the file back" in found.detail
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
    wal = Path(f"{path}-wal")
    frames = (wal.stat().st_size - WAL_HEADER) // (WAL_FRAME_HEADER + 4096)
    os.truncate(wal, WAL_HEADER + frames // 2 * (WAL_FRAME_HEADER + 4096) + (0 if whole_frames else 100))
    Path(f"{path}-shm").unlink()
    assert store(path).level != "ok"


@pytest.mark.parametrize(
    "settings",
    [
        Settings(smtp_url="localhost:25", mail_from="a@b.example"),
        Settings(smtp_url="smtp://localhost", mail_from="nobody"),
        Settings(smtp_url="smtp://u:p@localhost", mail_from="a@b.example"),
        Settings(vapid_private_key="/nowhere.pem", vapid_subject="mailto:a@b.example"),
        Settings(store="foo"),
        Settings(store="sqlite://x.db"),
        Settings(store="postgres://x"),
    ],
)
def test_what_serve_refuses_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    """Settings are judged by what the server makes of them."""
    monkeypatch.chdir(tmp_path)
    fit = msgspec.structs.replace(settings, dev=True, port=0)
    assert [check.name for check in checks(fit) if check.level == "fail"] in (["store"], ["outside"])


def test_a_store_and_a_port_in_use_fail(tmp_path: Path) -> None:
    """A second server would be refused, so it is told."""
    path = tmp_path / "tidings.db"
    lived(path, 3)
    held = file_lock.FileLock(path)
    assert (store(path).level, "is in use by" in store(path).detail) == ("fail", True)
    held.close()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        found = port(Settings(port=taken.getsockname()[1]))
    assert (found.level, "is in use by another program" in found.detail) == ("fail", True)
    assert port(Settings(port=0)).level == "ok"


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


def test_access_is_judged_as_serve_does() -> None:
    """Dev mode is fine on loopback only, and without keys or dev mode nobody gets in."""
    judged = [Settings(dev=True), Settings(dev=True, host="0.0.0.0"), Settings()]
    judged += [Settings(api_keys=KEY), Settings(api_keys=f"{KEY},short")]
    assert [access(settings).level for settings in judged] == ["ok", "fail", "fail", "ok", "fail"]


def test_secrets_have_the_length_of_their_hash() -> None:
    """31 bytes fail, 32 do."""
    assert [access(Settings(jwt_secret=secret)).level for secret in (KEY[:31], KEY)] == ["fail", "ok"]


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
    assert [levels(Settings(jwt_public_key=key))[0] for key in given] == ["ok", "ok", "fail", "fail"]


def test_key_sets_are_fetched_as_the_server_would(tmp_path: Path) -> None:
    """A set needs a key that can be used. An address must be safe, or the server does not start; one that serves nothing
    now is a warning with the cause, on one line."""
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
    assert levels(Settings(jwks="http://a.example/jwks"))[0] == "fail"
    with issuing("bad chunking") as issuer:
        check = next(iter(tokens(Settings(jwks=issuer.url))))
        assert (check.level, check.detail.isprintable()) == ("warn", True)
        assert "RemoteProtocolError" in check.detail
        issuer.served = document(jwk("a"), {"kty": 7})
        assert next(iter(tokens(Settings(jwks=issuer.url)))).detail == "jwks: 1 usable keys"


def test_a_check_says_which_file() -> None:
    """What does not exist yet is no failure."""
    assert store(Path("/nowhere/tidings.db")) == Check(
        "ok", "store", "/nowhere/tidings.db does not exist yet"
    )
