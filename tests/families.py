"""Small random models of the families that people combine: language models with their tokenizers, and encoders."""

from __future__ import annotations

from pathlib import Path

import torch

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
QWEN3 = (
    "{% set ns = namespace(last=0) %}"
    "{% for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}{% endif %}{% endfor %}"
    "{% for m in messages %}{% if m.role == 'assistant' %}{{ '<|im_start|>assistant\n' }}"
    "{% if loop.index0 > ns.last %}{{ '<think>\n\n</think>\n\n' }}{% endif %}"
    "{{ m.content.split('</think>')[-1].lstrip('\n') + '<|im_end|>\n' }}"
    "{% else %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}"
    "{% if enable_thinking is defined and enable_thinking is false %}{{ '<think>\n\n</think>\n\n' }}{% endif %}"
    "{% endif %}"
)
GEMMA = (
    "{{ bos_token }}"
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}{{ '<start_of_turn>' + ('model' if m['role'] == 'assistant' else m['role']) + '\n' "
    "+ m['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
TEMPLATES = {"llama": None, "qwen3": QWEN3, "gemma": GEMMA, "smollm": CHATML}
LANGUAGE, VISION = tuple(TEMPLATES), ("clip", "siglip", "siglip2", "dinov2")
WORDS = (
    "What is in the picture? a red dog and two blue cups USER ASSISTANT model user system"
    " The answer is yes no one three <image> 개 고양이"
)


def tokenizer(kind: str):
    """A tokenizer of the family's kind: byte-level BPE, or (llama) a piece tokenizer that marks spaces."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    marks = {
        "llama": ["<unk>", "<s>", "</s>"],
        "gemma": ["<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>"],
    }.get(kind, ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>"])
    byte_level = kind in ("qwen3", "smollm")
    t = Tokenizer(models.BPE(byte_fallback=not byte_level, unk_token=None if byte_level else marks[0]))
    if byte_level:
        t.pre_tokenizer, t.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
    else:
        t.normalizer = normalizers.Replace(" ", "▁")
        t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
        alphabet = []
    extra = [] if byte_level else [f"<0x{b:02X}>" for b in range(256)]
    t.train_from_iterator(
        [WORDS] * 4, trainers.BpeTrainer(vocab_size=640, special_tokens=[*marks, *extra], initial_alphabet=alphabet)
    )
    named = {"llama": ("<s>", "</s>", None), "gemma": ("<bos>", "<eos>", "<pad>")}.get(
        kind, (None, "<|im_end|>", "<|endoftext|>")
    )
    t = _without_specials(t, extra)
    out = PreTrainedTokenizerFast(tokenizer_object=t, bos_token=named[0], eos_token=named[1], pad_token=named[2])
    out.add_special_tokens({"additional_special_tokens": [m for m in marks if m not in ("<think>", "</think>")]})
    out.chat_template = TEMPLATES[kind]
    return out


def _without_specials(t, extra):
    """Byte pieces are plain pieces, not special ones: written out and read again without their flags."""
    import json

    from tokenizers import Tokenizer

    held = json.loads(t.to_str())
    held["added_tokens"] = [a for a in held["added_tokens"] if a["content"] not in extra]
    return Tokenizer.from_str(json.dumps(held))


def language(kind: str, folder: Path) -> Path:
    """A random language model with its tokenizer, saved."""
    from transformers import (
        Gemma3ForCausalLM,
        Gemma3TextConfig,
        LlamaConfig,
        LlamaForCausalLM,
        Qwen3Config,
        Qwen3ForCausalLM,
    )

    words = tokenizer(kind)
    torch.manual_seed(1)
    size = dict(
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
    model = {
        "llama": lambda: LlamaForCausalLM(LlamaConfig(**size)),
        "smollm": lambda: LlamaForCausalLM(LlamaConfig(**size, tie_word_embeddings=True)),
        "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**size, head_dim=8, tie_word_embeddings=True)),
        "gemma": lambda: Gemma3ForCausalLM(Gemma3TextConfig(**size, head_dim=8, query_pre_attn_scalar=8)),
    }[kind]()
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def vision(kind: str, folder: Path) -> Path:
    """A random encoder of 56 x 56 px pictures with its image processor, saved."""
    from transformers import (
        BitImageProcessor,
        CLIPImageProcessor,
        CLIPVisionConfig,
        CLIPVisionModel,
        ConvNextConfig,
        ConvNextImageProcessor,
        ConvNextModel,
        Dinov2Config,
        Dinov2Model,
        SiglipImageProcessor,
        SiglipVisionConfig,
        SiglipVisionModel,
    )

    torch.manual_seed(2)
    size = dict(hidden_size=24, num_hidden_layers=2, num_attention_heads=2, image_size=56, patch_size=14)
    if kind == "convnext":
        config = ConvNextConfig(hidden_sizes=[8, 16, 24, 24], depths=[1, 1, 1, 1], image_size=64)
        model, images = ConvNextModel(config), ConvNextImageProcessor(size={"shortest_edge": 64})
    elif kind == "clip":
        model, images = CLIPVisionModel(CLIPVisionConfig(**size, intermediate_size=32)), CLIPImageProcessor()
    elif kind == "dinov2":
        model, images = (
            Dinov2Model(Dinov2Config(**size, mlp_ratio=2)),
            BitImageProcessor(image_mean=[0.485, 0.456, 0.406]),
        )
    else:  # fixed-resolution SigLIP 2 checkpoints are of SigLIP's type, with another training and patch count
        size |= {"image_size": 64, "patch_size": 16} if kind == "siglip2" else {}
        model = SiglipVisionModel(SiglipVisionConfig(**size, intermediate_size=32, vision_use_head=False))
        images = SiglipImageProcessor()
    model.save_pretrained(folder)
    images.save_pretrained(folder)
    return folder
