"""Object-aware models: a model whose decoder is conditioned on Scenes, by words in its prompt and by layer
connectors."""

from nunbit.models.object_aware.checkpoint import is_object_aware, open_object_aware, save_object_aware
from nunbit.models.object_aware.config import SCENE_PROMPTS, ObjectAwareConfig
from nunbit.models.object_aware.context import ObjectAwareModule, attach_connector
from nunbit.models.object_aware.scene_text import language_of, scene_words

__all__ = [
    "SCENE_PROMPTS",
    "ObjectAwareConfig",
    "ObjectAwareModule",
    "attach_connector",
    "is_object_aware",
    "language_of",
    "open_object_aware",
    "save_object_aware",
    "scene_words",
]
