"""Flags, refusals and help texts: what the command line says before it does anything."""

import pytest
from click.testing import Result

from tests.cli.conftest import Run
from tidings.cli import main
from tidings.config import FILE_ONLY, HELP, SECRET


def refused(result: Result, *named: str) -> None:
    """The command ended with a usage error that names these."""
    assert result.exit_code == 2, result.output
    assert [word for word in named if word not in result.output] == []


@pytest.mark.parametrize("command", sorted(main.commands))
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
    """Without keys and without dev mode nobody could be let in."""
    refused(run("serve"), "TIDINGS_API_KEYS", "--dev")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_serve_refuses_dev_mode_for_others(run: Run, host: str) -> None:
    """Dev mode believes everybody, so nobody but this machine may reach it."""
    refused(run("serve", "--dev", "--host", host), "loopback", host)


def test_serve_refuses_the_sample_among_real_data(run: Run) -> None:
    """The sample belongs to dev mode only."""
    refused(run("serve", "--sample", TIDINGS_API_KEYS="key"), "--sample", "--dev")


def test_an_unknown_variable_is_named(run: Run) -> None:
    """A mistyped variable is an error, not a setting that silently has no effect."""
    refused(run("serve", "--dev", TIDINGS_PROT="1"), "TIDINGS_PROT")


def test_a_value_out_of_bounds_is_named(run: Run) -> None:
    """The bounds of the settings table hold for flags too."""
    refused(run("serve", "--dev", "--port", "65536"), "port", "65535")


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


def test_an_address_that_is_none_is_refused(run: Run) -> None:
    """A URL without a scheme is a usage error."""
    refused(run("top", "--url", "localhost"), "localhost")


def test_the_version_is_the_package_s(run: Run) -> None:
    """--version prints one line with a number."""
    assert run("--version").output.strip().split()[-1].count(".") == 2
