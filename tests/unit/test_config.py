"""The settings table: sources, order, refusals."""

from pathlib import Path

import pytest

from tidings.config import FILE_ONLY, HELP, SECRET, ConfigError, Settings, load
from tidings.rules import MAX_TYPES, Rule


def test_flags_beat_the_environment_beats_the_file_beats_the_defaults(tmp_path: Path) -> None:
    """Each source overrides only what it names."""
    file = tmp_path / "tidings.toml"
    file.write_text('port = 1\nhost = "::1"\nmax_targets = 3\n')
    got = load({"port": 3, "host": None}, {"TIDINGS_PORT": "2", "TIDINGS_MAX_TARGETS": "4"}, file)
    assert (got.port, got.host, got.max_targets, got.max_topics) == (3, "::1", 4, Settings().max_topics)


def test_text_from_the_environment_is_converted() -> None:
    """Numbers and booleans are written as text in the environment."""
    got = load({}, {"TIDINGS_DEV": "true", "TIDINGS_HEARTBEAT_S": "5", "HOME": "/"}, None)
    assert (got.dev, got.heartbeat_s) == (True, 5)


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"TIDINGS_PROT": "1"}, "TIDINGS_PROT"),
        ({"TIDINGS_PORT": "many"}, "port"),
        ({"TIDINGS_PORT": "65536"}, "port"),
        ({"TIDINGS_IDEMPOTENCY_HOURS": "23"}, "idempotency_hours"),
        ({"TIDINGS_LOCALE": "!"}, "locale"),
        ({"TIDINGS_TRUSTED_PROXIES": "::1, 10.0.0.1/8"}, r"trusted_proxies: 10\.0\.0\.1/8 has host bits set"),
        ({"TIDINGS_TRUSTED_PROXIES": "nginx"}, "trusted_proxies: 'nginx' does not appear to be"),
        ({"TIDINGS_WEBHOOK_ALLOW_NETWORKS": "10.0.0.0/33"}, "webhook_allow_networks: '10.0.0.0/33'"),
        ({"TIDINGS_TYPES": "{}"}, "TIDINGS_TYPES is a table"),
    ],
)
def test_a_wrong_variable_is_named(environ: dict[str, str], named: str) -> None:
    """An unknown variable, or a value that does not fit, is an error that names it and the environment."""
    with pytest.raises(ConfigError, match=rf"the environment: .*{named}"):
        load({}, environ, None)


@pytest.mark.parametrize(
    ("text", "named"), [("prot = 1", "prot"), ("port = 'x'", "port"), ("port =", "tidings.toml")]
)
def test_a_wrong_file_is_named(tmp_path: Path, text: str, named: str) -> None:
    """An unknown key, a value that does not fit and broken TOML are errors that name the file."""
    file = tmp_path / "tidings.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=rf"tidings\.toml: .*{named}|tidings\.toml: Invalid"):
        load({}, {}, file)


def test_types_are_tables_of_the_file(tmp_path: Path) -> None:
    """They are read with every key of a rule; what a table leaves out is the default."""
    file = tmp_path / "tidings.toml"
    file.write_text('[types.like]\nverbs = ["like", "love"]\n[types.like.messages.de]\nother = "{actors}"\n')
    rule = Rule(verbs=("like", "love"), messages={"de": {"other": "{actors}"}})
    assert load({}, {}, file).types == {"like": rule}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("types = 3", r"\$\.types"),
        ('[types.like]\ngroup = "x"', r"types\.like: .*group"),
        ("[types.like]\nmax_age_s = 0", r"types\.like: .*max_age_s"),
        ('[types.like.messages.en]\nother = "{x}"', r"types\.like: messages\.en\.other: \{x\} is none of"),
        ('[types.like.messages.en]\none = "x"', r"types\.like: messages\.en: needs the form 'other'"),
        (
            '[types.a]\nverbs = ["x"]\n[types.b]\nverbs = ["x"]',
            "types: the verb 'x' is claimed .* 'a' and 'b'",
        ),
        ("".join(f"[types.t{i}]\n" for i in range(MAX_TYPES + 1)), f"types: more than {MAX_TYPES}"),
    ],
)
def test_a_wrong_type_is_named(tmp_path: Path, text: str, named: str) -> None:
    """The type and the key in it."""
    file = tmp_path / "tidings.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=named):
        load({}, {}, file)


def test_a_file_that_cannot_be_read_is_a_configuration_error(tmp_path: Path) -> None:
    """A missing file is told as such, not as a traceback."""
    with pytest.raises(ConfigError, match=r"absent\.toml: .*No such file"):
        load({}, {}, tmp_path / "absent.toml")


def test_every_setting_has_a_help_text_and_no_help_is_left_over() -> None:
    """The command line and the reference page are made from this table."""
    assert set(HELP) == set(Settings.__struct_fields__)
    assert all(text.endswith(".") for text in HELP.values())


def test_secrets_are_settings() -> None:
    """A renamed setting cannot slip out of the list of those refused on the command line."""
    assert set(Settings.__struct_fields__) >= SECRET | FILE_ONLY
