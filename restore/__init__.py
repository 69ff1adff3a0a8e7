"""A vaulted Azure Backup of Azure Database for PostgreSQL, all the way to a restored server."""

__version__ = "0.1.0"
