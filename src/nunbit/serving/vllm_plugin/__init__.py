"""Our composed models in vLLM: a plugin of its ``vllm.general_plugins`` group, which needs no change of vLLM.

`register` is called by vLLM in each of its processes. vLLM's own types (`llava`, `llava_next` ...) need no plugin.
"""

from __future__ import annotations

ARCHITECTURE = "ComposedModel"
"""What `nunbit.models.composed.ComposedModel.save_pretrained` writes into ``config.json``."""
PICTURE_PARTS = ("model.vision_tower.", "model.multi_modal_projector.")
PLUGIN = f"{__name__}.model:ComposedForVllm"


def register() -> None:
    """Make vLLM know the type: configs for transformers, its class for vLLM. Safe to call more than once."""
    from vllm import ModelRegistry

    import nunbit.encoders.efficientnet_lite as _registers_encoder
    import nunbit.models.composed as _registers_config

    assert _registers_config and _registers_encoder
    if ARCHITECTURE not in ModelRegistry.get_supported_archs():
        ModelRegistry.register_model(ARCHITECTURE, PLUGIN)


def vllm_name(name: str) -> str | None:
    """What a weight of our checkpoint is called in vLLM; None for files that lie beside the model's own.

    vLLM reads every file of weights in a folder, perception and object-aware parts included.
    """
    language = "model.language_model."
    if name.startswith(language):
        return f"language_model.model.{name.removeprefix(language)}"
    if name.startswith("lm_head."):
        return f"language_model.{name}"
    return name.removeprefix("model.") if name.startswith(PICTURE_PARTS) else None


def unsupported_reason(config: object, connectors: tuple[str, ...] = ()) -> str:
    """Why vLLM cannot run a composed model; empty for one that it can.

    Args:
        config: a `nunbit.models.composed.ComposedConfig`.
        connectors: names of the layer connectors (crayon, moai) that lie beside it.
    """
    from nunbit.connectors import CONNECTORS, TokenConnector

    name = str(getattr(config, "connector", {}).get("name"))
    if not issubclass(CONNECTORS[name], TokenConnector):
        return (
            f"the connector '{name}' attends to pictures inside the decoder's layers, which vLLM runs by its own code"
        )
    if connectors:
        return (
            f"the layer connectors {', '.join(connectors)} change what the decoder's layers compute for a picture's "
            "rows, by hooks on transformers' modules, which vLLM does not have"
        )
    return ""
