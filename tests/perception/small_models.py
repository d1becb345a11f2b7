"""Tiny random models for perception: a detector with open vocabulary, and a segmenter."""

from __future__ import annotations

import torch
from transformers import (
    CLIPTokenizer,
    Mask2FormerConfig,
    Mask2FormerForUniversalSegmentation,
    Mask2FormerImageProcessor,
    Owlv2Config,
    Owlv2ForObjectDetection,
    Owlv2ImageProcessor,
    Owlv2Processor,
    SwinConfig,
)

from nunbit.coco import PANOPTIC_CLASSES


def small_owl():
    """An OWLv2 of 32 x 32 px pictures with its processor."""
    torch.manual_seed(0)
    letters = [c + end for c in "abcdefghijklmnopqrstuvwxyz" for end in ("", "</w>")]
    vocabulary = {w: i for i, w in enumerate(["!", *letters, "<|startoftext|>", "<|endoftext|>"])}
    tokenizer = CLIPTokenizer(vocabulary, [], pad_token="!", model_max_length=16)
    config = Owlv2Config(
        text_config={
            "vocab_size": len(vocabulary),
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "max_position_embeddings": 16,
            "eos_token_id": len(vocabulary) - 1,
        },
        vision_config={
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": 32,
            "patch_size": 8,
        },
        projection_dim=16,
    )
    model = Owlv2ForObjectDetection(config).eval()
    return model, Owlv2Processor(Owlv2ImageProcessor(size={"height": 32, "width": 32}), tokenizer)


def swin():
    return SwinConfig(
        image_size=64,
        embed_dim=8,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 1, 1],
        window_size=2,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )


def small_segmenter(size=None):
    """A Mask2Former with its image processor, which scales to ``size``."""
    torch.manual_seed(0)
    config = Mask2FormerConfig(
        backbone_config=swin(),
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=16,
        dim_feedforward=16,
        encoder_layers=1,
        decoder_layers=2,
        num_attention_heads=2,
        num_queries=6,
        id2label=dict(enumerate(PANOPTIC_CLASSES)),
        label2id={n: i for i, n in enumerate(PANOPTIC_CLASSES)},
    )
    model = Mask2FormerForUniversalSegmentation(config).eval()
    return model, Mask2FormerImageProcessor(size=size or {"height": 64, "width": 64}, do_resize=True)
