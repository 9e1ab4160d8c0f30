"""The settings table: sources, order, refusals."""

import re
from pathlib import Path

import pytest

from tidings.config import (
    AREAS,
    CLIENT_VARIABLES,
    FILE_ONLY,
    HELP,
    SECRET,
    ConfigError,
    Settings,
    load,
    service_links,
)
from tidings.rules import MAX_TYPES, Rule


def test_flags_beat_the_environment_beats_the_file_beats_the_defaults(tmp_path: Path) -> None:
    """Each source overrides only what it names."""
    file = tmp_path / "tidings.toml"
    file.write_text('port = 1\nhost = "::1"\nmax_targets = 3\n')
    got = load({"port": 3, "host": None}, {"TIDINGS_PORT": "2", "TIDINGS_MAX_TARGETS": "4"}, file)
    assert (got.port, got.host, got.max_targets, got.max_topics) == (3, "::1", 4, Settings().max_topics)


def test_paths_in_the_file_are_relative_to_its_folder(tmp_path: Path) -> None:
    """The fault: to the current folder, so a server that was started elsewhere began an empty store."""
    file = tmp_path / "tidings.toml"
    file.write_text(
        'store = "sqlite:///data/a.db"\njwks = "keys.json"\nvapid_private_key = "key.pem"\njwt_public_key = ""'
    )
    settings = load({}, {}, file)
    assert (settings.store, settings.jwks) == (f"sqlite:///{tmp_path}/data/a.db", f"{tmp_path}/keys.json")
    assert (settings.vapid_private_key, settings.jwt_public_key) == (f"{tmp_path}/key.pem", "")
    assert load({"store": "sqlite:///a.db"}, {"TIDINGS_JWKS": "k"}, file).store == "sqlite:///a.db"
    assert load({"store": "sqlite:///a.db"}, {"TIDINGS_JWKS": "k"}, file).jwks == "k"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("store", "memory://"),
        ("store", "sqlite:////var/lib/a.db"),
        ("store", "postgresql://h/d"),
        ("jwks", "https://a.example/jwks"),
        ("jwt_public_key", "-----BEGIN PUBLIC KEY-----"),
        ("host", "localhost"),
    ],
)
def test_what_is_no_relative_path_stays_as_it_is(tmp_path: Path, name: str, value: str) -> None:
    """An address, a text of a key, an absolute path, and settings that name no file."""
    file = tmp_path / "tidings.toml"
    file.write_text(f"{name} = {value!r}")
    assert getattr(load({}, {}, file), name) == value


def test_the_file_in_the_current_folder_leaves_short_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is shown of the store stays short."""
    monkeypatch.chdir(tmp_path)
    Path("tidings.toml").write_text('store = "sqlite:///a.db"')
    assert load({}, {}, Path("tidings.toml")).store == "sqlite:///a.db"


def test_text_from_the_environment_is_converted() -> None:
    """Numbers and booleans are written as text in the environment."""
    got = load({}, {"TIDINGS_DEV": "true", "TIDINGS_HEARTBEAT_S": "5", "HOME": "/"}, None)
    assert (got.dev, got.heartbeat_s) == (True, 5)


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"TIDINGS_PROT": "1"}, r"'TIDINGS_PROT' is no setting; did you mean TIDINGS_PORT\?"),
        ({"TIDINGS_Port": "1"}, r"'TIDINGS_Port' is no setting; did you mean TIDINGS_PORT\?"),
        ({"TIDINGS_ZZZZ": "1"}, "'TIDINGS_ZZZZ' is no setting$"),
        ({"TIDINGS_PORT": "many"}, "TIDINGS_PORT takes a whole number from 0 to 65535, not 'many'"),
        ({"TIDINGS_PORT": ""}, "TIDINGS_PORT takes a whole number from 0 to 65535, not ''"),
        ({"TIDINGS_IDEMPOTENCY_HOURS": "23"}, "TIDINGS_IDEMPOTENCY_HOURS takes a whole number, 24 or more"),
        ({"TIDINGS_LOCALE": "!"}, "TIDINGS_LOCALE takes a language such as en or pt-BR, not '!'"),
        ({"TIDINGS_FAN_OUT": "x"}, "TIDINGS_FAN_OUT takes 'inline' or 'worker', not 'x'"),
        ({"TIDINGS_TRUSTED_PROXIES": "::1, 10.0.0.1/8"}, r"TRUSTED_PROXIES: 10\.0\.0\.1/8 has host bits set"),
        (
            {"TIDINGS_TRUSTED_PROXIES": "nginx"},
            "TRUSTED_PROXIES: 'nginx' is neither an address nor a network",
        ),
        (
            {"TIDINGS_WEBHOOK_ALLOW_NETWORKS": "10.0.0.0/33"},
            "WEBHOOK_ALLOW_NETWORKS: '10.0.0.0/33' is neither",
        ),
        ({"TIDINGS_TYPES": "{}"}, "TIDINGS_TYPES is a table"),
    ],
)
def test_a_wrong_variable_is_named(environ: dict[str, str], named: str) -> None:
    """An unknown variable, or a value that does not fit, is an error that names it, the environment and what fits."""
    with pytest.raises(ConfigError, match=rf"the environment: .*{named}"):
        load({}, environ, None)


def test_all_unknown_settings_are_named_at_once(tmp_path: Path) -> None:
    """The fault: of two misspelt names only the first was named, and the second at the next start."""
    file = tmp_path / "tidings.toml"
    file.write_text("prot = 1\nserver_urls = ''\n")
    with pytest.raises(ConfigError) as in_file:
        load({}, {}, file)
    assert str(in_file.value).splitlines() == [
        f"{file}: 'prot' is no setting; did you mean port?",
        f"{file}: 'server_urls' is no setting; did you mean server_url?",
    ]
    with pytest.raises(ConfigError) as in_environ:
        load({}, {"TIDINGS_PROT": "1", "TIDINGS_TYPES": "x", "TIDINGS_HOTS": "x"}, None)
    assert [line.split()[2] for line in str(in_environ.value).splitlines()] == [
        "'TIDINGS_HOTS'",
        "'TIDINGS_PROT'",
        "TIDINGS_TYPES",
    ]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("prot = 1", r"'prot' is no setting; did you mean port\?"),
        ("port = 'x'", "port takes a whole number from 0 to 65535, not 'x'"),
        ("port = true", "port takes a whole number from 0 to 65535, not True"),
        ("host = 3", "host takes an IP address or a host name, not 3"),
        ("port =", "it is not TOML: Invalid value"),
        ("a = " + "[" * 5_000, "it is not TOML"),
        ("types = 3", "types takes a table, not 3"),
        (
            "[types.like]\nverb = ['like']",
            r"types\.like\.verb: no such field, did you mean verbs; the fields are",
        ),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, text: str, named: str) -> None:
    """An unknown key, a value that does not fit and broken TOML are errors that name the file."""
    file = tmp_path / "tidings.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=rf"tidings\.toml: {named}"):
        load({}, {}, file)


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"host = '\xff'"])
def test_a_file_that_is_not_text_is_named(tmp_path: Path, raw: bytes) -> None:
    """A file in another encoding is told as such."""
    (tmp_path / "tidings.toml").write_bytes(raw)
    with pytest.raises(ConfigError, match=r"tidings\.toml: it is not UTF-8 text"):
        load({}, {}, tmp_path / "tidings.toml")


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    """Editors on Windows write one."""
    (tmp_path / "tidings.toml").write_text("\ufeffport = 1")
    assert load({}, {}, tmp_path / "tidings.toml").port == 1


def test_a_value_that_another_source_overrides_is_not_read(tmp_path: Path) -> None:
    """With the flag given, neither what the environment nor what the file says of the port can stop the server."""
    file = tmp_path / "tidings.toml"
    file.write_text("port = 'file'\nhost = '!'")
    got = load({"port": "1"}, {"TIDINGS_PORT": "many", "TIDINGS_HOST": "::1"}, file)
    assert (got.port, got.host) == (1, "::1")


SERVICE = {
    "TIDINGS_SERVICE_HOST": "10.96.0.1",
    "TIDINGS_SERVICE_PORT": "8787",
    "TIDINGS_SERVICE_PORT_HTTP": "8787",
    "TIDINGS_PORT": "tcp://10.96.0.1:8787",
    "TIDINGS_PORT_8787_TCP": "tcp://10.96.0.1:8787",
    "TIDINGS_PORT_8787_TCP_PROTO": "tcp",
    "TIDINGS_PORT_8787_TCP_PORT": "8787",
    "TIDINGS_PORT_8787_TCP_ADDR": "10.96.0.1",
}
"""What Kubernetes sets in every container beside a Service named ``tidings`` with a port named ``http``."""


def of_service(name: str) -> dict[str, str]:
    """The same for a Service of another name."""
    return {variable.replace("TIDINGS", name, 1): value for variable, value in SERVICE.items()}


@pytest.mark.parametrize("name", ["TIDINGS", "TIDINGS_LIVE", "TIDINGS_STORE", "TIDINGS_API_KEYS"])
def test_links_to_a_kubernetes_service_are_no_settings(name: str) -> None:
    """A Service named tidings, or tidings-live, sets addresses that look like settings: they are passed over."""
    assert load({}, of_service(name), None) == Settings()
    assert service_links(of_service(name)) == sorted(of_service(name))


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TIDINGS_PORT", "8787/tcp"),
        ("TIDINGS_PORT", "http://10.96.0.1:8787"),
        ("TIDINGS_SERVICE", "1"),
        ("TIDINGS_SERVICES_HOST", "1"),
        ("TIDINGS_PORT_8787", "1"),
        ("TIDINGS_HOST", "tcp://10.96.0.1"),
        ("TIDINGS_TCP_PORT", "8787"),
    ],
)
def test_what_only_resembles_a_service_link_is_refused(variable: str, value: str) -> None:
    """A misspelt setting is never taken for one."""
    assert service_links({variable: value}) == []
    with pytest.raises(ConfigError, match=f"the environment: '?{variable}"):
        load({}, {variable: value}, None)


def test_variables_of_clients_are_no_settings() -> None:
    """The fault: a server did not start where a reader had exported what the examples read, ``TIDINGS_URL`` and
    ``TIDINGS_TOKEN``."""
    clients = dict.fromkeys(CLIENT_VARIABLES, "http://127.0.0.1:8787")
    assert load({}, clients | {"TIDINGS_PORT": "1"}, None) == Settings(port=1)


def test_the_variables_of_clients_are_those_that_are_read() -> None:
    """Whatever an example or a page has its reader export is a setting or a variable of clients; and no other is."""
    root = Path(__file__).parents[2]
    pages = [*root.glob("examples/*.py"), *root.glob("docs/**/*.md"), root / "README.md"]
    named = {name for page in pages for name in re.findall(r"\bTIDINGS_[A-Z_]+\b", page.read_text())}
    settings = {f"TIDINGS_{name.upper()}" for name in Settings.__struct_fields__}
    assert named - settings - service_variables() - {"TIDINGS_CONFIG"} == set(CLIENT_VARIABLES)


def service_variables() -> set[str]:
    """Those that the page of settings names as Kubernetes'."""
    return {"TIDINGS_SERVICE_HOST"}


@pytest.mark.parametrize("variable", ["TIDINGS_TOKNE", "TIDINGS_URLS", "TIDINGS_API_KEYY", "TIDINGS_Url"])
def test_a_misspelt_variable_of_clients_is_refused(variable: str) -> None:
    """With the name that was meant, as for settings."""
    with pytest.raises(ConfigError, match=f"'{variable}' is no setting; did you mean TIDINGS_"):
        load({}, {variable: "1"}, None)


def test_types_are_tables_of_the_file(tmp_path: Path) -> None:
    """They are read with every key of a rule; what a table leaves out is the default."""
    file = tmp_path / "tidings.toml"
    file.write_text('[types.like]\nverbs = ["like", "love"]\n[types.like.messages.de]\nother = "{actors}"\n')
    rule = Rule(verbs=("like", "love"), messages={"de": {"other": "{actors}"}})
    assert load({}, {}, file).types == {"like": rule}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[types.like]\ngroup = "x"', r"types\.like\.group: expected one of .*, got \"x\""),
        ("[types.like]\nmax_age_s = 0", r"types\.like\.max_age_s: expected a whole number 1 to"),
        (
            '[types.like.messages.en]\nother = "{x}"',
            r"types\.like\.messages\.en\.other: expected placeholders among .*, got \{x\}",
        ),
        (
            '[types.like.messages.en]\none = "x"',
            r"types\.like\.messages\.en: missing; expected the form other",
        ),
        (
            "[types.a]\ngap_s = 0\nsound = 1\n[types.b]\nnotify = 'all'",
            r"types\.a\.gap_s: .*\n.*types\.a\.sound: .*\n.*types\.b\.notify: ",
        ),
        (
            "[types.a]\nmax_age_s = 1e999\n[types.b]\ngap_s = 1979-05-27",
            r"types\.a\.max_age_s: .*\n.*types\.b\.gap_s: ",
        ),
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


def test_areas_begin_with_settings() -> None:
    """The first setting begins an area, and a renamed one cannot take its area's title away."""
    assert next(iter(AREAS)) == Settings.__struct_fields__[0]
    assert set(AREAS) <= set(Settings.__struct_fields__)


def test_secrets_are_settings() -> None:
    """A renamed setting cannot slip out of the list of those refused on the command line."""
    assert set(Settings.__struct_fields__) >= SECRET | FILE_ONLY
