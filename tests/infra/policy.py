"""What the Bicep types cannot say: the project's own rules, on the text and on the parsed model."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import yaml
from tree_sitter import Node

from restore import settings
from restore.core.messages import EVENTS, POISON, REPORTS, TASKS
from tests.infra import azd
from tests.infra.bicep.check import problems
from tests.infra.bicep.project import Project
from tests.infra.bicep.source import BicepFile
from tests.infra.bicep.syntax import descendants, key, properties, text, value
from tests.infra.facts import facts

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"

# Source: learn.microsoft.com/azure/role-based-access-control/built-in-roles
ROLES = {
    "storageBlobDataOwner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "storageBlobDataContributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "storageBlobDataReader": "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
    "storageQueueDataContributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
    "storageTableDataContributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
    "serviceBusDataOwner": "090c5cfd-751d-490a-894a-3ce6f1109419",
    "serviceBusDataReceiver": "4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0",
    "serviceBusDataSender": "69a216fc-b8fb-44d8-bc22-1f3c2cd27a39",
    "acrPull": "7f951dda-4ed3-4680-a7ca-43fe172d538d",
    "keyVaultSecretsUser": "4633458b-17de-408a-b874-0445c86b69e6",
    "monitoringMetricsPublisher": "3913510d-42f4-4e42-8a64-420c390055eb",
}

# Who may do what where: the scope, then identity and role.
MAY = {
    "host": [
        ("control", "storageBlobDataOwner"),
        ("control", "storageQueueDataContributor"),
        ("control", "storageTableDataContributor"),
    ],
    "host::blob::state": [("worker", "storageBlobDataContributor")],
    "restore": [
        ("control", "storageBlobDataContributor"),
        ("worker", "storageBlobDataReader"),
        ("vault", "storageBlobDataContributor"),
    ],
    "restore::blob::deadLetters": [("topic", "storageBlobDataContributor")],
    "namespace::tasks": [
        ("control", "serviceBusDataSender"),
        ("control", "serviceBusDataReceiver"),
        ("worker", "serviceBusDataReceiver"),
        ("scaler", "serviceBusDataOwner"),
    ],
    "namespace::reports": [
        ("control", "serviceBusDataReceiver"),
        ("worker", "serviceBusDataSender"),
    ],
    "namespace::poison": [
        ("control", "serviceBusDataSender"),
        ("control", "serviceBusDataReceiver"),
        ("worker", "serviceBusDataSender"),
    ],
    "namespace::events": [("control", "serviceBusDataSender")],
    "registry": [("worker", "acrPull")],
    "passwords": [("worker", "keyVaultSecretsUser")],
    "signing": [("control", "keyVaultSecretsUser")],
    "appInsights": [
        ("control", "monitoringMetricsPublisher"),
        ("worker", "monitoringMetricsPublisher"),
    ],
}

# Settings of a machine of one's own: never in Azure.
LOCAL = {
    "ServiceBusConnection",
    "LandingStorage",
    "StateStorage",
    "RESTORE_ARM_ENDPOINT",
    "RESTORE_SECRETS_FOLDER",
    "RESTORE_PG_BINDIRS",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "RESTORE_PGSSLMODE",
    "RESTORE_PGSSLROOTCERT",
}
# Not said, because AZURE_CLIENT_ID is their default.
IDENTITY = {"LandingStorage__clientId", "StateStorage__clientId", "ServiceBusConnection__clientId"}
# Read by the Functions host.
HOST = {"TICK_SCHEDULE", "ServiceBusConnection__credential", "ServiceBusConnection__clientId"}


class Recorded(Mapping[str, str]):
    """An environment that remembers which names it was asked for."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values_, self.names = values, set[str]()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return self.values_[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_)

    def __len__(self) -> int:
        return len(self.values_)


def read_names() -> set[str]:
    """Every name that settings.read asks for."""
    environment = Recorded({})
    with suppress(settings.SettingsError):
        settings.read(environment)
    return environment.names


def given(folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Settings of the function app and of the worker: name -> Bicep expression."""
    file = Project(folder).file(folder / "main.bicep")
    shared = _pairs(file.variables["settings"])

    def of(module: str, parameter: str) -> dict[str, str]:
        call = next(
            node
            for node in descendants(file.modules[module])
            if node.type == "object_property" and key(node) == parameter
        )
        own = next(node for node in descendants(call) if node.type == "object")
        return {**shared, **_pairs(own)}

    return of("functionApp", "appSettings"), of("worker", "environmentSettings")


def _pairs(node: Node) -> dict[str, str]:
    return {key(entry) or "": text(value(entry)) for entry in properties(node)}


def findings(folder: Path) -> list[str]:
    """Everything that is wrong with the infrastructure in `folder`; empty if nothing is."""
    found = list(problems(folder))
    if found:
        return found
    texts = {
        p.relative_to(folder).as_posix(): p.read_text() for p in sorted(folder.rglob("*.bicep"))
    }
    said = {name: facts(BicepFile(folder / name)) for name in texts}
    found += _musts(said)
    for name, content in texts.items():
        found += [f"{name}: {problem}" for problem in _problems(content)]
        found += [
            f"{name}: {one}: an assignment that is in no table" for one in _other(name, content)
        ]
    return (
        found
        + _roles(said["rbac/roles.bicep"])
        + _settings(folder)
        + _entities(texts)
        + _parameters(folder, texts["main.bicep"])
    )


def _musts(said: Mapping[str, Mapping[str, str]]) -> list[str]:
    """`must.txt` against the files: what is said otherwise, or not at all; rights that are new."""
    musts: dict[str, dict[str, str]] = {name: {} for name in said}
    for part in (Path(__file__).parent / "must.txt").read_text().split("\n[")[1:]:
        name, _, lines = part.partition("]\n")
        musts[name] = dict(line.split(": ", 1) for line in lines.strip().splitlines())
    wrong = [
        f"{name}: {path}: expected {must}, found {said.get(name, {}).get(path, 'nothing')}"
        for name, expected in musts.items()
        for path, must in expected.items()
        if said.get(name, {}).get(path) != must
    ]
    return wrong + [
        f"{name}: {path}: {there}: nobody has agreed to that right"
        for name, found in said.items()
        for path, there in found.items()
        if ".permissions." in path and path not in musts[name] and there != "[]"
    ]


def _problems(text: str) -> list[str]:
    found = []
    for word in ("allowSharedKeyAccess: true", "listKeys(", "listSas", "sharedKey:", "AccessKey:"):
        if word.lower() in text.lower():
            found.append(f"{word} is not allowed: identities only")
    accounts = len(re.findall(r"storageAccounts@[\d-]+' = ", text))
    if accounts != text.count("allowSharedKeyAccess: false"):
        found.append("a storage account without allowSharedKeyAccess: false")
    if accounts != text.count("allowBlobPublicAccess: false"):
        found.append("a storage account without allowBlobPublicAccess: false")
    for block in re.findall(r"resource \w+ 'Microsoft.Authorization/roleAss.*?\n\}", text, re.S):
        if not re.search(r"^  scope: \S", block, re.M):
            found.append(f"{block.split()[1]}: a role assignment without scope")
        if "principalType: 'ServicePrincipal'" not in block:
            found.append(f"{block.split()[1]}: a role assignment without principalType")
    for minutes in re.findall(r"lockDuration: 'PT(\w+)'", text):
        if minutes not in ("1M", "2M", "3M", "4M", "5M"):
            found.append(f"lockDuration: expected PT5M at most, found PT{minutes}")
    for cores, memory in re.findall(r"'([\d.]+)': '([\d.]+)Gi'", text):
        if float(memory) != 2 * float(cores) or float(cores) > 4:
            found.append(f"{cores} cores, {memory}Gi: not a pair of the Consumption profile")
    return found


def _other(name: str, text: str) -> list[str]:
    """Assignments beside those of the table, and the one of each custom role."""
    made = re.findall(r"resource (\w+) 'Microsoft.Authorization/roleAssignments@", text)
    own = r"assignment" if name.startswith("rbac/") else r"(?!)"
    known = r"\w+Assignments" if name == "rbac/roles.bicep" else own
    return [symbol for symbol in made if not re.fullmatch(known, symbol)]


_ASSIGNED = {
    "roleDefinitionId": (
        "subscriptionResourceId('Microsoft.Authorization/roleDefinitions', item.role)"
    ),
    "principalId": "item.principal",
    "principalType": "'ServicePrincipal'",
}


def _roles(said: Mapping[str, str]) -> list[str]:
    """The ids of roles; the tables of assignments, each with the scope of what is made of it."""
    ids = {path[5:]: id_.strip("'") for path, id_ in said.items() if path.startswith("role.")}
    found = [
        f"role {name}: expected the id {ROLES.get(name)}, found {ids.get(name)}"
        for name in {**ROLES, **ids}
        if ROLES.get(name) != ids.get(name)
    ]
    made = [p.removesuffix("Assignments.name") for p in said if p.endswith("Assignments.name")]
    may = {said.get(f"{name}Assignments.scope", ""): _table(said, name) for name in made}
    found += [
        f"roles on {scope}: expected {MAY.get(scope)}, found {may.get(scope)}"
        for scope in {**MAY, **may}
        if MAY.get(scope) != may.get(scope)
    ]
    return found + [
        f"{name}Assignments.{part}: expected {expected}"
        for name in made
        for part, expected in _ASSIGNED.items()
        if said.get(f"{name}Assignments.{part}") != expected
    ]


def _table(said: Mapping[str, str], name: str) -> list[tuple[str, str]]:
    rows = {path: text for path, text in said.items() if path.startswith(f"{name}Roles.")}
    who = [text.removesuffix("PrincipalId") for p, text in rows.items() if p.endswith("principal")]
    what = [text.removeprefix("role.") for path, text in rows.items() if path.endswith("role")]
    return list(zip(who, what, strict=True))


def _settings(folder: Path) -> list[str]:
    app, worker = given(folder)
    expected = read_names() - LOCAL - IDENTITY
    found = []
    for who, names, more in (("app", set(app), HOST), ("worker", set(worker), set())):
        found += [f"{who}: {name} is not set" for name in sorted((expected | more) - names)]
        found += [f"{who}: nobody reads {name}" for name in sorted(names - expected - more)]
    return found


def _entities(texts: Mapping[str, str]) -> list[str]:
    declared = set(re.findall(r"'(restore-[a-z]+)'", texts["main.bicep"]))
    used = set(re.findall(r"name: '(restore-(?!state)[a-z]+)'", texts["rbac/roles.bicep"]))
    missing = {TASKS, REPORTS, POISON, EVENTS} - declared
    wrong = {name for name in used if name not in declared}
    return [f"{name}: used, but not declared" for name in sorted(missing | wrong)]


def _parameters(folder: Path, main: str) -> list[str]:
    found = [
        f"{path.relative_to(folder)}: parameter {name} without description"
        for path in sorted(folder.rglob("*.bicep"))
        for name in _undescribed(path.read_text())
    ]
    given_ = json.loads((folder / "main.parameters.json").read_text())["parameters"]
    for name in re.findall(r"^param (\w+)", main, re.M):
        if name not in given_:
            found.append(f"{name}: cannot be set with azd")
    return found


def _undescribed(text: str) -> list[str]:
    """Parameters with no description among the decorators right above them."""
    declared = re.findall(r"((?:^(?:[@\]}]|  ).*\n)*)^param (\w+)", text, re.M)
    return [name for decorators, name in declared if "@description(" not in decorators]


def azure_yaml(text: str, root: Path) -> list[str]:
    """What is wrong with azure.yaml: services, hosts, hooks."""
    document = yaml.safe_load(text)
    found = list(azd.problems(document))
    if found:
        return found
    main = (root / "infra" / "main.bicep").read_text()
    for name in document["services"]:
        if f"serviceName: '{name}'" not in main:
            found.append(f"{name}: no resource has it as azd-service-name")
    for name, hook in document["hooks"].items():
        script = root / hook["posix"]["run"]
        if name != "postdeploy" or not script.is_file() or not script.stat().st_mode & 0o100:
            found.append(f"{name}: expected a hook that exists and can be run, found {script.name}")
        elif "set -eu" not in script.read_text():
            found.append(f"{script.name}: without set -eu")
    return found
