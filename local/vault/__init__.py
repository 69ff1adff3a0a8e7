"""A Backup vault on loopback: Azure Backup's REST operations, and real files behind them."""

from local.vault.backup import RecoveryPoint
from local.vault.faults import Denial, Faults
from local.vault.names import Names
from local.vault.vault import LocalVault

__all__ = ["Denial", "Faults", "LocalVault", "Names", "RecoveryPoint"]
