"""docs/operations.md says what the code says: every setting, every error code, every exit code."""

import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import restore
from restore import settings
from restore.adapters.azure_backup_errors import REMEDIES
from restore.cli.terminal import EXIT_CODES
from restore.core import request
from restore.core.state import FINAL
from restore.errors import RestoreError
from tests.test_settings import READ, SMALLEST

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "operations.md").read_text()
HOST_SETTINGS = {"TICK_SCHEDULE", "AzureWebJobsStorage"}  # read by the Functions host, not by us

_LITERAL = re.compile(r'\b(?:Failure|Finding)\(\s*"([a-z-]+)"')
_CHOSEN = re.compile(r'\bcode = "([a-z-]+)" if .* else "([a-z-]+)"')
_ENTRY = re.compile(r"^### (.+)$", re.MULTILINE)
_ROW = re.compile(r"^\| `(\w+)` \| (.+?) \| (.+?) \| (app|worker|app, worker|host) \|$", re.M)


def modules():
    for found in pkgutil.walk_packages(restore.__path__, "restore."):
        if not found.name.endswith("__main__"):
            yield importlib.import_module(found.name)


def families(error=RestoreError):
    yield error
    for kind in error.__subclasses__():
        yield from families(kind)


def codes():
    """Every code that can reach a user."""
    for module in modules():
        text = Path(module.__file__).read_text()
        yield from _LITERAL.findall(text)
        yield from (code for pair in _CHOSEN.findall(text) for code in pair)
    yield from (kind.code for kind in families() if kind.__module__.startswith("restore."))
    yield from (remedy.code for remedy in REMEDIES.values())


def entries():
    """Code -> its text; one heading may name several."""
    parts = re.split(r"^#{2,3} (.+)$", TEXT, flags=re.MULTILINE)[1:]
    return {
        code: body.strip()
        for title, body in zip(parts[::2], parts[1::2], strict=True)
        if title.startswith("`")
        for code in re.findall(r"`([a-z-]+)`", title)
    }


CODES = sorted(set(codes()))


def test_the_codes_were_found():
    assert {"request", "target-busy", "vault-busy", "no-files", "internal", "data-loss"} < {*CODES}
    assert {"database-exists", "vault-job-failed", "vault-refused", "skipped"} < {*CODES}


@pytest.mark.parametrize("code", CODES)
def test_every_error_code_has_an_entry(code):
    assert len(entries().get(code, "")) > 20, f"docs/operations.md: expected ### `{code}`"


def test_every_entry_is_of_a_code_and_each_is_there_once():
    named = [code for title in _ENTRY.findall(TEXT) for code in re.findall(r"`([a-z-]+)`", title)]
    assert sorted(named) == CODES


# ---- links -------------------------------------------------------------------------------------

DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]


def prose(document):
    return re.sub(r"```.*?```", "", document.read_text(), flags=re.S)


def anchors(document):
    """Those that a heading gets on GitHub."""
    titles = re.findall(r"^#+ (.+)$", prose(document), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(document):
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", prose(document)):
        path, _, anchor = link.partition("#")
        found = (document.parent / path).resolve() if path else document
        assert found.exists(), link
        assert not anchor or anchor in anchors(found), link


# ---- the request ---------------------------------------------------------------------------------


def test_every_field_of_a_request_is_told_and_no_other():
    whole = request.schema()
    fields = set()
    for name, about in whole["properties"].items():
        kinds = about.get("anyOf", [about])
        names = [kind["$ref"].rpartition("/")[2] for kind in kinds if "$ref" in kind]
        parts = [part for kind in names for part in whole["$defs"][kind].get("properties", ())]
        fields |= {f"{name}.{part}" for part in parts} or {name}
    assert told(ROOT / "docs" / "request.md") == fields


def told(document):
    """The names of the first column, `.name` being of the object of the one before."""
    found = set()
    for row in re.findall(r"^\| (`.+?) \|", document.read_text(), re.M):
        owner = ""
        for name in re.findall(r"`([\w.]+)`", row):
            owner = owner if name.startswith(".") else name.rpartition(".")[0]
            found.add(owner + name if name.startswith(".") else name)
    return found


# ---- settings ----------------------------------------------------------------------------------


class Asked(dict):
    """An environment that remembers what was asked for."""

    def __init__(self, known):
        super().__init__(known)
        self.names = set()

    def get(self, name, default=None):
        self.names.add(name)
        return super().get(name, default)


def asked():
    environment = Asked({**SMALLEST, "StateStorage": "UseDevelopmentStorage=true"})
    settings.read(environment)
    return environment.names


ROWS = {name: (default, where) for name, _, default, where in _ROW.findall(TEXT)}


def test_every_setting_has_a_row_and_every_row_a_setting():
    assert set(ROWS) == asked() | HOST_SETTINGS


@pytest.mark.parametrize("name", sorted(set(ROWS) - HOST_SETTINGS))
def test_a_default_is_what_the_code_takes(name):
    default, _ = ROWS[name]
    if default == "required":
        with pytest.raises(settings.SettingsError, match=name.partition("__")[0]):
            settings.read({**SMALLEST, name: ""})
    elif default.startswith("`"):
        assert settings.read({**SMALLEST, name: default.strip("`")}) == settings.read(SMALLEST)
    else:
        settings.read({**SMALLEST, name: ""})


def users(path):
    """The fields of the settings that a deployable takes."""
    return set(re.findall(r"\bsettings\.(\w+)", (ROOT / path).read_text()))


@pytest.mark.parametrize(("name", "field"), [(row[0], row[2]) for row in READ])
def test_a_row_says_who_takes_the_setting(name, field):
    both = users("restore/adapters/recording.py")
    takers = {
        "app": field in users("restore/wiring.py") | both,
        "worker": field in users("restore/worker/wiring.py") | both,
    }
    assert ROWS[name][1] == ", ".join(taker for taker, takes in takers.items() if takes)


# ---- ends --------------------------------------------------------------------------------------


def test_the_exit_codes_are_those_of_a_try():
    rows = dict(re.findall(r"^\| (\d) \| `(\w+)` ", TEXT, re.MULTILINE))
    assert {status: int(code) for code, status in rows.items()} == EXIT_CODES
    assert set(EXIT_CODES) == {phase.value for phase in FINAL}
