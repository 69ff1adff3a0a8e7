"""What the function app has at hand, and what a request may name of the world."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from restore.core import life
from restore.core.backup import Instance
from restore.core.callback import host
from restore.core.options import WhenBusy
from restore.core.policy import Policy
from restore.core.request import RestoreRequest, Source
from restore.core.state import FINAL
from restore.errors import InputError, NotFoundError
from restore.ports import (
    Bus,
    Caller,
    Clock,
    Documents,
    Landing,
    LandingAccounts,
    Records,
    ServerParameters,
    Signer,
    States,
    Vault,
)


class NotAllowedError(InputError):
    """The request names something this installation may not touch."""


class TargetNotAllowedError(NotAllowedError):
    code = "target-not-allowed"


class VaultNotAllowedError(NotAllowedError):
    code = "vault-not-allowed"


class ServerBusyError(InputError):
    """Another restore works on the target, and the request does not want to wait for it."""

    code = "server-busy"


class ContainerNotAllowedError(NotAllowedError):
    code = "container-not-allowed"


class CallbackNotAllowedError(NotAllowedError):
    code = "callback-not-allowed"


@dataclass(frozen=True, slots=True)
class LandingGuard:
    """Who opens and shuts the landing account, which has that ARM id."""

    accounts: LandingAccounts
    account: str


@dataclass(frozen=True, slots=True)
class Control:
    """The control plane: its ports, and what it is allowed to touch."""

    clock: Clock
    states: States
    records: Records
    landing: Landing
    vault: Vault
    parameters: ServerParameters
    bus: Bus
    policy: Policy
    vaults: tuple[str, ...]
    targets: tuple[str, ...]
    documents: Documents | None = None  # rules of alerts; without, there are none
    drills: str = ""  # the same for drills
    rules: str = ""  # the document itself, where it is not among `documents`
    signer: Signer | None = None  # of reports, which are unsigned without one
    callbacks: tuple[str, ...] = ()  # hosts that may be told of an end
    caller: Caller | None = None  # who tells them
    guard: LandingGuard | None = None  # of the landing account, where it is shut between restores


def check_allowed(control: Control, request: RestoreRequest) -> None:
    """Raises NotAllowedError if the request names what this installation may not touch."""
    address = request.target.address
    if address not in control.targets:
        raise TargetNotAllowedError(
            f"target {address}: expected one of {_list(control.targets)}, found another",
            "only servers in the setting RESTORE_TARGETS may be written to",
        )
    server = request.target.server
    if server is not None and not _names(request.target.host, server):
        raise TargetNotAllowedError(
            f"target.server: expected the ARM id of {request.target.host}, found {server!r}",
            "its last part is the first part of the host's name",
        )
    container = request.source.container
    if container is not None and not control.landing.owns(container):
        raise ContainerNotAllowedError(
            "source.container: expected a container of the landing account, found another account",
            f"the landing account's containers are {control.landing.url('<name>')}",
        )
    check_vault(control, request.source)
    if request.callback is not None:
        check_callback(control, request.callback.url)


def check_callback(control: Control, url: str) -> Caller:
    """Who may call that URL. Raises CallbackNotAllowedError if nobody may."""
    if host(url) not in control.callbacks or control.caller is None:
        raise CallbackNotAllowedError(
            f"callback to {host(url)}: expected one of {_list(control.callbacks)}, found another",
            "hosts are in the setting RESTORE_CALLBACK_HOSTS, the key in RESTORE_CALLBACK_SECRET",
        )
    return control.caller


def check_free(control: Control, request: RestoreRequest) -> None:
    """Raises ServerBusyError if the request refuses to wait, and another one is on its target."""
    if request.when_busy is not WhenBusy.REFUSE:
        return
    address = request.target.address
    for summary in control.states.summaries():
        if summary.target == address and summary.phase not in FINAL:
            found = life.busy(address, summary.id)
            raise ServerBusyError(found.message, found.hint)


def check_vault(control: Control, source: Source) -> None:
    """Raises VaultNotAllowedError if `source` names a vault that is not in the settings."""
    if source.vault and not any(_same(source.vault, vault) for vault in control.vaults):
        raise VaultNotAllowedError(
            f"vault {source.vault!r}: expected one of {_list(control.vaults)}, found another",
            "only vaults in the setting RESTORE_VAULTS are asked",
        )


def _same(one: str, other: str | None) -> bool:
    """ARM ids and names differ in case between Azure's own answers."""
    return other is not None and one.lower().rstrip("/") == other.lower().rstrip("/")


def _names(host: str, server: str) -> bool:
    """Is it the ARM id of that host? A server on this machine has none of its own."""
    return host in _THIS_MACHINE or _same(host.partition(".")[0], server.rpartition("/")[2])


_THIS_MACHINE = ("127.0.0.1", "localhost")


def _list(names: Collection[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def find_instance(control: Control, source: Source) -> Instance:
    """The one backup instance `source` means, in the vaults this installation may ask."""
    check_vault(control, source)
    vaults = (source.vault,) if source.vault else control.vaults
    found = [i for vault in vaults for i in control.vault.instances(vault)]
    fit = [i for i in found if _same(i.server, source.server) or _same(i.name, source.instance)]
    if len(fit) == 1:
        return fit[0]
    wanted = f"instance {source.instance!r}" if source.instance else f"server {source.server!r}"
    names = ", ".join(sorted(i.name for i in (fit or found))) or "none"
    raise NotFoundError(
        f"backup instance: expected one for {wanted}, found {len(fit)} among: {names}",
        'name the "instance", or the "vault" it is in; is the server protected by Azure Backup?',
    )
