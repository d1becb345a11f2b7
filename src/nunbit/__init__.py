"""Nunbit: object-aware multimodal language models."""

__version__ = "0.1.0"
