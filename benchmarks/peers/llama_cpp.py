"""A native LLaVA on llama.cpp, a peer of `benchmarks.serve`: converts weights to GGUF and starts llama.cpp's server.

    python benchmarks/peers/llama_cpp.py FOLDER PORT [--q8]    needs gguf and xllamacpp (a prebuilt llama.cpp)

This file imports nothing of ours, so any environment can run it. It converts what `nunbit.models.compose` makes: a CLIP
encoder read at its last layer, a two-layer connector, a Llama. llama.cpp rotates neighbouring pairs of a head where
transformers rotates its halves, so rows of q and k are reordered. Its tokenizer spells out words that have a token of
their own with us, so a question has some more tokens.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
import time
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from safetensors.numpy import load_file

LANGUAGE = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
VISION = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.out_proj": "attn_out",
    "layer_norm1": "ln1",
    "layer_norm2": "ln2",
    "mlp.fc1": "ffn_up",
    "mlp.fc2": "ffn_down",
}
WHOLE = {
    "embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
    "class_embedding": "v.class_embd",
    "patch_embedding.weight": "v.patch_embd.weight",
    "position_embedding.weight": "v.position_embd.weight",
    "pre_layrnorm.weight": "v.pre_ln.weight",
    "pre_layrnorm.bias": "v.pre_ln.bias",
    "linear_1.weight": "mm.0.weight",
    "linear_1.bias": "mm.0.bias",
    "linear_2.weight": "mm.2.weight",
    "linear_2.bias": "mm.2.bias",
}


def name_of(key: str) -> str | None:
    """llama.cpp's name of a tensor; None for one that it does not use."""
    if found := re.search(r"layers\.(\d+)\.(.+)\.(weight|bias)$", key):
        number, part, kind = found.groups()
        return f"v.blk.{number}.{VISION[part]}.{kind}" if "vision" in key else f"blk.{number}.{LANGUAGE[part]}.{kind}"
    return next((new for old, new in WHOLE.items() if key.endswith(old)), None)


def paired(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows of q or k in llama.cpp's order."""
    return weight.reshape(heads, 2, len(weight) // heads // 2, -1).swapaxes(1, 2).reshape(weight.shape)


def convert(folder: Path, out: Path, *, q8: bool) -> tuple[Path, Path]:
    """Write ``model.gguf`` and ``mmproj.gguf`` in float32; ``q8`` puts the language model's matrices in 8 bits."""
    config = json.loads((folder / "config.json").read_text())
    if (kind := config["vision_config"]["model_type"]) != "clip_vision_model":
        raise SystemExit(f"llama.cpp has no encoder of type '{kind}'")
    language, vision = gguf.GGUFWriter(out / "model.gguf", "llama"), gguf.GGUFWriter(out / "mmproj.gguf", "clip")
    describe_language(language, config["text_config"], q8)
    describe_words(language, folder, config["text_config"]["vocab_size"])
    describe_vision(vision, config, json.loads((folder / "processor_config.json").read_text())["image_processor"])
    for key, tensor in load_file(folder / "model.safetensors").items():
        name = name_of(key)
        if name is None:
            continue
        tensor = tensor.astype(np.float32)
        if name.startswith(("v.", "mm.")):
            vision.add_tensor(name, tensor)
            continue
        if name.endswith(("attn_q.weight", "attn_k.weight")):
            text = config["text_config"]
            tensor = paired(tensor, text["num_attention_heads"] if "attn_q" in name else text["num_key_value_heads"])
        if q8 and tensor.ndim == 2:
            q8_0 = gguf.GGMLQuantizationType.Q8_0
            language.add_tensor(name, gguf.quants.quantize(tensor, q8_0), raw_dtype=q8_0)
        else:
            language.add_tensor(name, tensor)
    for writer in (language, vision):
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    return out / "model.gguf", out / "mmproj.gguf"


def describe_language(w: Any, text: dict[str, Any], q8: bool) -> None:
    w.add_block_count(text["num_hidden_layers"])
    w.add_context_length(text["max_position_embeddings"])
    w.add_embedding_length(text["hidden_size"])
    w.add_feed_forward_length(text["intermediate_size"])
    w.add_head_count(text["num_attention_heads"])
    w.add_head_count_kv(text["num_key_value_heads"])
    w.add_rope_dimension_count(text["hidden_size"] // text["num_attention_heads"])
    w.add_rope_freq_base(float((text.get("rope_parameters") or {}).get("rope_theta", 10000.0)))
    w.add_layer_norm_rms_eps(text["rms_norm_eps"])
    w.add_vocab_size(text["vocab_size"])
    w.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0 if q8 else gguf.LlamaFileType.ALL_F32)


def describe_words(w: Any, folder: Path, size: int) -> None:
    """The vocabulary as a SentencePiece one. No token ends an answer: all have the same length."""
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    words = sorted(vocabulary, key=vocabulary.get) + [f"unused{i}" for i in range(len(vocabulary), size)]
    kinds = [
        gguf.TokenType.BYTE
        if re.fullmatch(r"<0x..>", t)
        else gguf.TokenType.CONTROL
        if re.fullmatch(r"<\w+>", t)
        else gguf.TokenType.NORMAL
        for t in words
    ]
    w.add_tokenizer_model("llama")
    w.add_token_list(words)
    w.add_token_scores([float(len(t)) for t in words])
    w.add_token_types(kinds)
    w.add_bos_token_id(vocabulary["<bos>"])
    w.add_eos_token_id(size - 1)
    w.add_add_bos_token(False)
    w.add_chat_template((folder / "chat_template.jinja").read_text())


def describe_vision(w: Any, config: dict[str, Any], images: dict[str, Any]) -> None:
    vision = config["vision_config"]
    w.add_type(gguf.GGUFType.MMPROJ)
    w.add_clip_has_vision_encoder(True)
    w.add_clip_projector_type("mlp")
    w.add_vision_projection_dim(config["text_config"]["hidden_size"])
    w.add_vision_image_size(vision["image_size"])
    w.add_vision_patch_size(vision["patch_size"])
    w.add_vision_embedding_length(vision["hidden_size"])
    w.add_vision_feed_forward_length(vision["intermediate_size"])
    w.add_vision_block_count(vision["num_hidden_layers"])
    w.add_vision_head_count(vision["num_attention_heads"])
    w.add_vision_attention_layernorm_eps(vision["layer_norm_eps"])
    w.add_vision_image_mean(images["image_mean"])
    w.add_vision_image_std(images["image_std"])
    w.add_vision_use_gelu(vision.get("hidden_act") == "gelu")
    w.add_file_type(gguf.LlamaFileType.ALL_F32)


def serve(model: Path, projector: Path, port: int, slots: int = 16, length: int = 1024) -> None:
    """Answer until the process is ended; one thread, as many answers together as the other servers of the benchmark."""
    import xllamacpp

    p = xllamacpp.CommonParams()
    p.model.path, p.mmproj.path = str(model), str(projector)
    p.hostnames, p.port, p.n_parallel, p.n_ctx = ["127.0.0.1"], port, slots, slots * length
    p.cpuparams.n_threads = p.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(p)
    print(server.listening_address, flush=True)
    while True:
        time.sleep(60)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("port", type=int)
    parser.add_argument("--q8", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as out:
        serve(*convert(options.folder, Path(out), q8=options.q8), options.port)


if __name__ == "__main__":
    main()
