"""Flags, refusals and help texts: what the command line says before it does anything."""

import os
from pathlib import Path

import pytest
from click.testing import Result

from tests.cli.conftest import Run
from tidings.cli import COMMANDS, top
from tidings.config import AREAS, FILE_ONLY, HELP, SECRET


def refused(result: Result, *named: str) -> None:
    """The command ended with a usage error that names these."""
    assert result.exit_code == 2, result.output
    assert [word for word in named if word not in result.output] == []


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_help_teaches_by_example(run: Run, command: str) -> None:
    """Each command's help shows how it is called."""
    text = run(command, "--help").output
    assert f"Usage: main {command}" in text
    assert "Examples:" in text
    assert f"tidings {command}" in text.partition("Examples:")[2]


@pytest.mark.parametrize("name", sorted(HELP))
def test_every_setting_is_a_flag_unless_it_is_a_secret_or_a_table(run: Run, name: str) -> None:
    """The help of serve lists exactly the settings that may stand on a command line."""
    flag = "--" + name.replace("_", "-") + " "
    assert (flag in run("serve", "--help").output + " ") is (name not in SECRET | FILE_ONLY)


@pytest.mark.parametrize("name", sorted(SECRET))
def test_a_secret_on_the_command_line_is_refused(run: Run, name: str) -> None:
    """The refusal names the variable to use and does not repeat the secret."""
    result = run("serve", "--" + name.replace("_", "-"), "hunter2hunter2")
    refused(result, f"TIDINGS_{name.upper()}")
    assert "hunter2" not in result.output


def test_serve_refuses_to_start_closed_to_everybody(run: Run) -> None:
    """Without keys and without dev mode every request would get 401."""
    refused(run("serve"), "TIDINGS_API_KEYS", "--dev")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_serve_refuses_dev_mode_for_others(run: Run, host: str) -> None:
    """Dev mode believes everybody, so nobody but this machine may reach it."""
    refused(run("serve", "--dev", "--host", host), "loopback", host)


def test_serve_refuses_the_sample_among_real_data(run: Run) -> None:
    """The sample belongs to dev mode only."""
    refused(run("serve", "--sample", TIDINGS_API_KEYS="0123456789abcdef" * 2), "--sample", "--dev")


def test_an_unknown_variable_is_named(run: Run) -> None:
    """A mistyped variable is an error, not a setting that silently has no effect."""
    refused(run("serve", "--dev", TIDINGS_PROT="1"), "TIDINGS_PROT")


def test_a_value_out_of_bounds_is_named(run: Run) -> None:
    """The bounds of the settings table hold for flags too."""
    refused(run("serve", "--dev", "--port", "65536"), "port", "65535")


@pytest.mark.parametrize(
    ("flags", "settings", "said"),
    [
        (["--port", "x"], {}, "the command line: --port takes a whole number from 0 to 65535, not 'x'"),
        (["--fan-out", "x"], {}, "the command line: --fan-out takes 'inline' or 'worker', not 'x'"),
        (
            [],
            {"TIDINGS_PORT": "x"},
            "the environment: TIDINGS_PORT takes a whole number from 0 to 65535, not 'x'",
        ),
        (
            [],
            {"TIDINGS_PROT": "1"},
            "the environment: 'TIDINGS_PROT' is no setting; did you mean TIDINGS_PORT?",
        ),
    ],
)
def test_a_wrong_setting_is_one_line(run: Run, flags: list[str], settings: dict[str, str], said: str) -> None:
    """Its source, its name as it is written there, and what is accepted."""
    result = run("serve", "--dev", *flags, **settings)
    refused(result, f"Error: {said}")
    assert len(result.output.splitlines()) == 1


@pytest.mark.parametrize(
    ("flags", "settings", "said"),
    [
        (["--dev"], {"TIDINGS_SMTP_URL": "x"}, "the environment: smtp_url is written smtp://"),
        ([], {"TIDINGS_API_KEYS": "short"}, "the environment: api_keys: key 1 of 1 has 5 characters"),
        ([], {"TIDINGS_JWT_SECRET": "short"}, "the environment: jwt_secret has 5 characters"),
        (["--jwks", "none.json"], {}, "the command line: jwks is neither a URL nor an existing file"),
        (
            ["--jwt-public-key", "none"],
            {},
            "the command line: jwt_public_key: neither PEM nor a readable file",
        ),
        (["--dev", "--store", "x"], {}, "the command line: store: 'x' is neither sqlite:///FILE"),
    ],
)
def test_a_setting_that_is_found_wrong_when_it_is_used_has_its_source(
    run: Run, flags: list[str], settings: dict[str, str], said: str
) -> None:
    """The server that cannot start says in which source the value stands, and has not begun a store: keys that did not fit
    left an empty one behind."""
    result = run("serve", "--port", "0", *flags, **settings)
    assert result.exit_code == 2
    assert result.output.startswith(f"Error: {said}")
    assert os.listdir() == []


def test_a_kubernetes_service_of_this_name_does_not_stop_the_start(run: Run) -> None:
    """Its links are ignored with one line that names them, whether or not the port is given."""
    links = {"TIDINGS_PORT": "tcp://10.0.0.1:8787", "TIDINGS_SERVICE_HOST": "10.0.0.1"}
    for flags in ((), ("--port", "1")):
        result = run("doctor", "--dev", *flags, **links)
        assert result.exit_code == 0, result.output
        assert result.stderr.count("\n") == 1
        assert "Kubernetes" in result.stderr
        assert "TIDINGS_PORT, TIDINGS_SERVICE_HOST" in result.stderr


def test_a_value_that_a_flag_overrides_is_not_read(run: Run) -> None:
    """A wrong variable does not stop a server that was told better."""
    assert run("doctor", "--dev", "--port", "1", TIDINGS_PORT="many").exit_code == 0


@pytest.mark.parametrize("command", ["serve", "doctor"])
def test_flags_are_grouped_by_area(run: Run, command: str) -> None:
    """The help has the essential flags first, and every other setting under the title of its area."""
    text = run(command, "--help").output
    titles = list(dict.fromkeys(AREAS.values()))
    assert [line[:-1] for line in text.splitlines() if line.removesuffix(":") in titles] == titles
    essential = text.partition(f"{titles[0]}:")[2].partition(f"{titles[1]}:")[0]
    assert [
        flag for flag in ("--dev", "--port", "--store", "--config", "--help") if flag not in essential
    ] == []
    assert "--max-event-bytes" not in essential


def test_a_file_in_the_folder_is_read(run: Run) -> None:
    """./tidings.toml counts without being asked for, and --config names another."""
    with open("tidings.toml", "w") as file:
        file.write('dev = true\nhost = "0.0.0.0"\n')
    refused(run("serve"), "loopback")
    with open("other.toml", "w") as file:
        file.write("prot = 1\n")
    refused(run("serve", "--config", "other.toml"), "other.toml", "prot")


def test_clients_say_that_nobody_answers(run: Run) -> None:
    """A server that is not there is told in one line, with its address."""
    result = run("top", "--url", "http://127.0.0.1:9")
    assert result.exit_code == 1
    assert result.output.startswith("Error: http://127.0.0.1:9 cannot be reached")


@pytest.mark.parametrize("command", [("top",), ("tail",), ("replay", "-", "--format", "ndjson")])
def test_the_variable_names_the_server(run: Run, command: tuple[str, ...]) -> None:
    """A command read the key from its variable and the address not, and so sent the key to another server."""
    refused(run(*command, TIDINGS_URL="no-address"), "no-address")
    overridden = run("top", "--url", "http://127.0.0.1:9", TIDINGS_URL="no-address")
    assert "http://127.0.0.1:9 cannot be reached" in overridden.output


def test_an_address_that_is_none_is_refused(run: Run) -> None:
    """A URL without a scheme is a usage error."""
    refused(run("top", "--url", "localhost"), "localhost")


def test_the_version_is_the_package_s(run: Run) -> None:
    """--version prints one line with a number."""
    assert run("--version").output.strip().split()[-1].count(".") == 2


@pytest.mark.parametrize(
    ("args", "flags"),
    [
        (("replay", "FILE", "--format", "ndjson", "--store", "sqlite:///t.db", "--url", "http://h"), "--url"),
        (
            ("replay", "FILE", "--format", "ndjson", "--store", "sqlite:///t.db", "--key-env", "K"),
            "--key-env",
        ),
        (("serve", "--dev", "--jwks", "https://issuer.example/keys"), "--jwks"),
        (("serve", "--dev", "--jwt-audience", "feeds"), "--jwt-audience"),
        (("doctor", "--dev", "--jwks", "https://issuer.example/keys"), "--jwks"),
        (("tail", "--user", "a", "--topic", "b:c"), "--topic"),
    ],
)
def test_flags_that_exclude_each_other_are_refused(
    run: Run, tmp_path: Path, args: tuple[str, ...], flags: str
) -> None:
    """One of them was obeyed and the other passed over without a word."""
    file = tmp_path / "events.ndjson"
    file.touch()
    named = [str(file) if arg == "FILE" else arg for arg in args]
    refused(run(*named), flags, "exclude each other")


def test_top_begins_with_the_window_of_the_route() -> None:
    """The fault: it showed the last minute, which is empty on a small site."""
    (window,) = (param for param in top.command.params if param.name == "window")
    assert window.default == "1h"
