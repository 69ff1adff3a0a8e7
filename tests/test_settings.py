"""The environment, read once: all of it, all mistakes at once, and no secret told."""

from dataclasses import fields, replace

import pytest

from restore.settings import Connection, Settings, SettingsError, read

SECRET = "SharedAccessKey=S3CR3T"
SMALLEST = {
    "ServiceBusConnection__fullyQualifiedNamespace": "bus.servicebus.windows.net",
    "LandingStorage__blobServiceUri": "https://landing.blob.core.windows.net",
    "RESTORE_TARGETS": "pg2.example.com",
}
BUS = Connection("", "bus.servicebus.windows.net")
LANDING = Connection("", "https://landing.blob.core.windows.net")

# name, a value of its own, field, what it is read as
READ = [
    ("ServiceBusConnection", SECRET, "bus", replace(BUS, string=SECRET)),
    (
        "ServiceBusConnection__fullyQualifiedNamespace",
        "b.example.com",
        "bus",
        Connection("", "b.example.com"),
    ),
    ("ServiceBusConnection__clientId", "id-1", "bus", replace(BUS, client_id="id-1")),
    ("LandingStorage", SECRET, "landing", replace(LANDING, string=SECRET)),
    ("LandingStorage__blobServiceUri", "https://l", "landing", Connection("", "https://l")),
    ("LandingStorage__clientId", "id-2", "landing", replace(LANDING, client_id="id-2")),
    ("StateStorage", SECRET, "state", Connection(SECRET)),
    ("StateStorage__blobServiceUri", "https://s", "state", Connection("", "https://s")),
    ("RESTORE_LANDING_ACCOUNT_ID", "/subscriptions/x", "landing_account_id", "/subscriptions/x"),
    ("RESTORE_GUARD_TENANT", "tenant-1", "guard_tenant", "tenant-1"),
    ("RESTORE_VAULTS", "/a /b,/c\n/A", "vaults", ("/A", "/b", "/c")),
    ("RESTORE_TARGETS", "PG1, pg2:6432", "targets", ("pg1:5432", "pg2:6432")),
    ("RESTORE_ARM_ENDPOINT", "https://a", "arm_endpoint", "https://a"),
    ("RESTORE_KEY_VAULT_URL", "https://k", "key_vault_url", "https://k"),
    ("RESTORE_SECRETS_FOLDER", "/secrets", "secrets_folder", "/secrets"),
    ("RESTORE_REPORT_KEY", "report-key", "report_key", "report-key"),
    ("AZURE_CLIENT_ID", "id-4", "client_id", "id-4"),
    ("RESTORE_POLL_SECONDS", "0.5", "poll_seconds", 0.5),
    ("RESTORE_SETTLE_SECONDS", "60", "settle_seconds", 60.0),
    ("RESTORE_RETRY_SECONDS", "1e1", "retry_seconds", 10.0),
    ("RESTORE_MAX_ATTEMPTS", "7", "max_attempts", 7),
    ("RESTORE_APPROVAL_HOURS", "0.5", "approval_hours", 0.5),
    ("RESTORE_UNDO_HOURS", "168", "undo_hours", 168.0),
    ("RESTORE_DEADLINE_HOURS", "12", "deadline_hours", 12.0),
    ("RESTORE_KEEP_FILES_HOURS", "0", "keep_files_hours", 0.0),
    ("RESTORE_KEEP_FAILED_FILES_HOURS", "1.5", "keep_failed_files_hours", 1.5),
    ("RESTORE_EVENTS_TOPIC", "events", "events_topic", "events"),
    ("RESTORE_DRILLS", "version: 1", "drills", "version: 1"),
    (
        "RESTORE_CALLBACK_HOSTS",
        "a.example.com, b.example.com:8443",
        "callback_hosts",
        ("a.example.com", "b.example.com:8443"),
    ),
    ("RESTORE_CALLBACK_SECRET", "hook", "callback_secret", "hook"),
    ("RESTORE_RULES", "version: 1", "rules", "version: 1"),
    ("RESTORE_MAX_DATABASES", "3", "max_databases", 3),
    ("RESTORE_MAX_CONNECTIONS", "40", "max_connections", 40),
    ("RESTORE_PG_BINDIRS", "/pg18::/pg16", "pg_bindirs", ("/pg18", "/pg16")),
    ("RESTORE_PGSSLMODE", "require", "pg_sslmode", "require"),
    ("RESTORE_PGSSLROOTCERT", "/roots.pem", "pg_sslrootcert", "/roots.pem"),
    ("RESTORE_JOBS", "8", "restore_jobs", 8),
    ("RESTORE_SCRATCH_BYTES", "1048576", "scratch_bytes", 1048576),
    (
        "APPLICATIONINSIGHTS_CONNECTION_STRING",
        "InstrumentationKey=0",
        "insights",
        "InstrumentationKey=0",
    ),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318", "has_collector", True),
]


NEEDS = {"RESTORE_GUARD_TENANT": {"RESTORE_LANDING_ACCOUNT_ID": "/subscriptions/x"}}


def test_a_guard_has_to_know_its_account():
    with pytest.raises(SettingsError, match="expected RESTORE_LANDING_ACCOUNT_ID beside it"):
        read({**SMALLEST, "RESTORE_GUARD_TENANT": "tenant-1"})


@pytest.mark.parametrize(("name", "text", "field", "value"), READ, ids=[row[0] for row in READ])
def test_every_setting_has_its_place(name, text, field, value):
    beside = NEEDS.get(name, {})
    assert getattr(read({**SMALLEST, **beside, name: f" {text} "}), field) == value


def test_every_field_is_read_from_a_setting():
    assert {row[2] for row in READ} == {field.name for field in fields(Settings)}


@pytest.mark.parametrize(
    "url", ["http://management.azure.com", "management.azure.com", "http://127.0.0.1.evil.com:80"]
)
def test_tokens_go_nowhere_but_by_https(url):
    with pytest.raises(SettingsError, match=r"RESTORE_ARM_ENDPOINT: expected a URL with https"):
        read({**SMALLEST, "RESTORE_ARM_ENDPOINT": url})
    assert read({**SMALLEST, "RESTORE_ARM_ENDPOINT": "http://127.0.0.1:80"}).arm_endpoint


def test_one_identity_serves_every_connection_that_names_none():
    settings = read({**SMALLEST, "AZURE_CLIENT_ID": "id", "LandingStorage__clientId": "own"})
    assert (settings.bus.client_id, settings.landing.client_id) == ("id", "own")


def test_the_state_lies_in_the_landing_account_unless_it_has_its_own():
    assert read(SMALLEST).state == read(SMALLEST).landing
    own = read({**SMALLEST, "StateStorage__blobServiceUri": "https://s"})
    assert own.state == Connection("", "https://s")


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("RESTORE_POLL_SECONDS", "soon", "a number above 0"),
        ("RESTORE_SETTLE_SECONDS", "0", "a number above 0"),
        ("RESTORE_RETRY_SECONDS", "-1", "a number above 0"),
        ("RESTORE_RETRY_SECONDS", "nan", "a number above 0"),
        ("RESTORE_POLL_SECONDS", "inf", "2592000 at most"),
        ("RESTORE_MAX_ATTEMPTS", "0.5", "a whole number above 0"),
        ("RESTORE_UNDO_HOURS", "2161", "2160 at most"),
        ("RESTORE_JOBS", "65", "a whole number above 0, 64 at most"),
        ("RESTORE_SCRATCH_BYTES", "2 GB", "a whole number above 0"),
        ("RESTORE_PGSSLMODE", "verify", "one of verify-full, verify-ca"),
        ("RESTORE_TARGETS", "pg1:port", "host or host:port"),
        ("RESTORE_TARGETS", ":5432", "host or host:port"),
        ("RESTORE_TARGETS", " , ", "one or more"),
        ("LandingStorage__blobServiceUri", "", "LandingStorage__blobServiceUri"),
        ("ServiceBusConnection__fullyQualifiedNamespace", "", "fullyQualifiedNamespace"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(name, text, expected):
    with pytest.raises(SettingsError, match=r"expected .*found") as caught:
        read({**SMALLEST, name: text})
    assert name.partition("__")[0] in caught.value.message
    assert expected in caught.value.message
    assert "docs/operations.md" in caught.value.hint


def test_all_that_is_missing_or_wrong_is_told_at_once():
    with pytest.raises(SettingsError) as caught:
        read({"RESTORE_JOBS": "many", "RESTORE_POLL_SECONDS": "0", "RESTORE_PGSSLMODE": "off"})
    named = [problem.partition(":")[0] for problem in caught.value.message.split("; ")]
    assert named == [
        "LandingStorage",
        "ServiceBusConnection",
        "RESTORE_TARGETS",
        "RESTORE_POLL_SECONDS",
        "RESTORE_PGSSLMODE",
        "RESTORE_JOBS",
    ]


def test_no_secret_is_printed():
    settings = read(
        {**SMALLEST, "ServiceBusConnection": SECRET, "LandingStorage": SECRET, "AZURE_X": SECRET}
    )
    for shown in (repr(settings), str(settings), f"{settings.bus}", repr([settings.state])):
        assert "S3CR3T" not in shown
