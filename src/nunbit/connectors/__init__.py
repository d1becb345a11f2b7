"""Connectors: one connection module a file. Importing this package registers every file of the folder."""

from importlib import import_module
from pkgutil import iter_modules

from nunbit.connectors.base import CONNECTORS, ConnectorConfig, TokenConnector, build

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = ["CONNECTORS", "ConnectorConfig", "TokenConnector", "build"]
