"""Connectors: one connection module a file. Importing this package registers every file of the folder.

module = build("perceiver", vision_width=768, text_width=2048, latents=32)
tokens = module(features, grid=(24, 24))                    # (B, N, Dv) -> (B, module.tokens(N, grid), Dt)
same = build(**config_to_dict(module.config))
"""

from importlib import import_module
from pkgutil import iter_modules

from nunbit.connectors.base import CONNECTORS, TokenConnector, build, config_from_dict
from nunbit.connectors.config import ConnectorConfig, config_to_dict

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = ["CONNECTORS", "ConnectorConfig", "TokenConnector", "build", "config_from_dict", "config_to_dict"]
