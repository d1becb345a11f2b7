"""Layouts of LLaVA checkpoints as people have them: a table of folders to import, and of folders to refuse.

Each function fills an empty folder from a whole state dict under the original names; a row says what must come of it.
"""

import json
import pickle

import torch
from safetensors.torch import save_file

PROJECTOR = "model.mm_projector."


def put(folder, state, name="pytorch_model.bin"):
    if name.endswith(".safetensors"):
        save_file({k: v.contiguous().clone() for k, v in state.items()}, folder / name)
    else:
        torch.save(dict(state), folder / name)


def shards(folder, state, form="bin", of=3, index=True, left_out=()):
    stem, names = {"bin": "pytorch_model", "safetensors": "model"}[form], sorted(state)
    placed = {}
    for n in range(of):
        file = f"{stem}-{n + 1:05}-of-{of:05}.{form}"
        part = {k: state[k] for k in names[n::of]}
        placed |= dict.fromkeys(part, file)
        if n not in left_out:
            put(folder, part, file)
    if index:
        held = json.dumps({"metadata": {}, "weight_map": placed})
        (folder / f"{'model' if form == 'safetensors' else stem}.{form}.index.json").write_text(held)


def prefixed(state, before):
    return {before + k: v for k, v in state.items()}


def without(state, *words):
    return {k: v for k, v in state.items() if not any(w in k for w in words)}


def only(state, word):
    return {k: v for k, v in state.items() if word in k}


def config(folder, **values):
    (folder / "config.json").write_text(json.dumps({"model_type": "llava_llama", **values}))


def evil(folder, state, name="pytorch_model.bin", plain=False):
    class Code:
        def __reduce__(self):
            import os

            return os.system, (f"touch {folder / 'EXECUTED'}",)

    held = {**state, "x": Code()}
    if plain:
        (folder / name).write_bytes(pickle.dumps(held))
    else:
        torch.save(held, folder / name)


def native(state, model, *pairs):
    out = dict(model.state_dict())
    for old, new in pairs:
        out = {k.replace(old, new): v for k, v in out.items()}
    return out


OLD_HF = (
    ("model.language_model.", "language_model.model."),
    ("model.multi_modal_projector.", "multi_modal_projector."),
    ("model.vision_tower.", "vision_tower."),
    ("lm_head.", "language_model.lm_head."),
)
RIGHT = {
    "parts of bin with an index": lambda f, s, m: shards(f, s),
    "parts of bin without an index": lambda f, s, m: shards(f, s, index=False),
    "parts of safetensors with an index": lambda f, s, m: shards(f, s, "safetensors"),
    "parts of safetensors without an index": lambda f, s, m: shards(f, s, "safetensors", index=False),
    "both forms": lambda f, s, m: (shards(f, s), put(f, s, "model.safetensors")),
    "an index of the other form alone": lambda f, s, m: (
        put(f, s),
        (f / "model.safetensors.index.json").write_text("{}"),
    ),
    "an optimizer and DeepSpeed's parts beside": lambda f, s, m: (
        put(f, s),
        torch.save({"o": 1}, f / "optimizer.pt"),
        (f / "global_step5").mkdir(),
        torch.save({"module": object}, f / "global_step5" / "mp_rank_00_model_states.pt"),
        (f / "zero_to_fp32.py").write_text("raise SystemExit"),
    ),
    "the projector of the first stage beside": lambda f, s, m: (
        put(f, s),
        put(f, only(s, "mm_proj"), "mm_projector.bin"),
    ),
    "a state dict in a dictionary": lambda f, s, m: torch.save({"state_dict": s, "epoch": 3}, f / "pytorch_model.bin"),
    "a trainer's dictionary": lambda f, s, m: torch.save({"model": s, "step": 3}, f / "pytorch_model.bin"),
    "names of DistributedDataParallel": lambda f, s, m: put(f, prefixed(s, "module.")),
    "names of torch.compile": lambda f, s, m: put(f, prefixed(s, "_orig_mod.")),
    "names of FSDP": lambda f, s, m: put(
        f, {k.replace("layers.0.", "layers.0._fsdp_wrapped_module."): v for k, v in s.items()}
    ),
    "names of PEFT": lambda f, s, m: put(f, prefixed(s, "base_model.model.")),
    "without the frozen encoder": lambda f, s, m: put(f, without(s, "vision_tower")),
    "without what nobody reads of the encoder": lambda f, s, m: put(
        f, without(s, "post_layernorm", "encoder.layers.1.")
    ),
    "with constants of old versions": lambda f, s, m: put(
        f,
        {
            **s,
            "model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(2),
            "model.vision_tower.vision_tower.vision_model.embeddings.position_ids": torch.arange(5)[None],
        },
    ),
    "llava-hf of 4.40": lambda f, s, m: put(f, native(s, m, *OLD_HF), "model.safetensors"),
    "llava-hf of 4.40 with the encoder's inner name": lambda f, s, m: put(
        f,
        native(
            s,
            m,
            *OLD_HF,
            ("vision_tower.", "vision_tower.vision_model."),
            ("vision_model.vision_model.", "vision_model."),
        ),
        "model.safetensors",
    ),
    "llava-hf of 4.52": lambda f, s, m: put(f, native(s, m), "model.safetensors"),
    "llava-hf in parts": lambda f, s, m: shards(f, native(s, m), "safetensors"),
    "a config with only a name of the encoder": lambda f, s, m: (put(f, s), config(f, mm_vision_tower="openai/clip")),
    "an empty config": lambda f, s, m: (put(f, s), (f / "config.json").write_text("{}")),
    "a config with a byte order mark": lambda f, s, m: (put(f, s), (f / "config.json").write_text("\ufeff{}", "utf-8")),
    "ShareGPT4V, LLaVA-Phi and Bunny with LLaVA's projector": lambda f, s, m: (
        put(f, s),
        config(f, mm_projector_type="mlp2x_gelu", mm_hidden_size=32, use_cache=True, unknown=[1]),
    ),
}
"""Whole checkpoints that must be imported, tensor for tensor."""
REFUSED = {
    "a part that the index names is missing": (lambda f, s: shards(f, s, left_out={1}), "lacks 1 of its parts"),
    "a part is missing and no index": (lambda f, s: shards(f, s, index=False, left_out={2}), "lacks 1 of its parts"),
    "parts of two checkpoints": (
        lambda f, s: (shards(f, s, index=False), shards(f, s, of=2, index=False)),
        "parts of several checkpoints",
    ),
    "an index that names files elsewhere": (
        lambda f, s: (put(f, s), (f / "pytorch_model.bin.index.json").write_text('{"weight_map": {"a": "../x.bin"}}')),
        "names files elsewhere",
    ),
    "an index that is no JSON": (
        lambda f, s: (put(f, s), (f / "pytorch_model.bin.index.json").write_text("[")),
        "cannot be read",
    ),
    "one tensor twice with other values": (
        lambda f, s: (put(f, s, "a.bin"), put(f, {"lm_head.weight": s["lm_head.weight"] + 1}, "b.bin")),
        "with other values",
    ),
    "layers of the language model are missing": (lambda f, s: put(f, without(s, "model.layers.1.")), "does not fit"),
    "an output layer is missing": (lambda f, s: put(f, without(s, "lm_head")), "does not fit"),
    "half of the encoder": (lambda f, s: put(f, without(s, "encoder.layers.0.")), "does not fit"),
    "fewer tokens than the language model has": (
        lambda f, s: put(f, {**s, "lm_head.weight": s["lm_head.weight"][:100]}),
        "does not fit",
    ),
    "another width": (lambda f, s: put(f, {**s, "model.norm.weight": torch.ones(3)}), "does not fit"),
    "a truncated file": (
        lambda f, s: (put(f, s), (f / "pytorch_model.bin").write_bytes((f / "pytorch_model.bin").read_bytes()[:999])),
        "cannot be read",
    ),
    "a truncated safetensors file": (
        lambda f, s: (
            put(f, s, "model.safetensors"),
            (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:999]),
        ),
        "cannot be read",
    ),
    "a file of Git LFS": (
        lambda f, s: (f / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
        "cannot be read",
    ),
    "code in a file of torch": (lambda f, s: evil(f, s), "cannot be read"),
    "code in a plain pickle": (lambda f, s: evil(f, s, plain=True), "cannot be read"),
    "code in a projector": (lambda f, s: evil(f, only(s, "mm_proj"), "mm_projector.bin"), "cannot be read"),
    "a whole model as an object": (
        lambda f, s: torch.save(torch.nn.Linear(2, 2), f / "pytorch_model.bin"),
        "cannot be read",
    ),
    "no tensor at all": (
        lambda f, s: torch.save({}, f / "pytorch_model.bin"),
        "holds no mm_projector (it has nothing)",
    ),
    "a language model alone": (
        lambda f, s: put(f, without(s, "mm_proj", "vision_tower")),
        "holds no mm_projector (it has",
    ),
    "LLaVA 1 with a linear projector": (
        lambda f, s: put(f, {**without(s, "mm_proj"), PROJECTOR + "weight": torch.ones(4, 4)}),
        "a projector with the layer",
    ),
    "a projector of three layers": (
        lambda f, s: put(f, {**s, PROJECTOR + "4.weight": torch.ones(4, 4)}),
        "a projector with the layer",
    ),
    "LLaVA-1.6": (lambda f, s: put(f, {**s, "model.image_newline": torch.ones(4)}), "in tiles, as LLaVA-NeXT"),
    "LLaVA-1.6 by its config": (
        lambda f, s: (put(f, s), config(f, mm_patch_merge_type="spatial_unpad")),
        "mm_patch_merge_type: spatial_unpad",
    ),
    "LLaVA 1 with marks around a picture": (
        lambda f, s: (put(f, s), config(f, mm_use_im_start_end=True)),
        "mm_use_im_start_end: True",
    ),
    "the class token too": (
        lambda f, s: (put(f, s), config(f, mm_vision_select_feature="cls_patch")),
        "mm_vision_select_feature: cls_patch",
    ),
    "several layers of the encoder": (
        lambda f, s: (put(f, s), config(f, vision_feature_layer=[-2, -5])),
        "reads the layers [-2, -5]",
    ),
    "a config that is a list": (
        lambda f, s: (put(f, s), (f / "config.json").write_text("[]")),
        "cannot be read (list)",
    ),
    "XTuner's own folders": (
        lambda f, s: (
            (f / "projector").mkdir(),
            put(f / "projector", {"model.0.weight": torch.ones(2, 2)}, "model.safetensors"),
        ),
        "one of its folders: projector",
    ),
    "XTuner's own names": (
        lambda f, s: put(f, {"projector.model.0.weight": torch.ones(2, 2)}),
        "it has 'projector.model.0.weight'",
    ),
    "TinyLLaVA": (
        lambda f, s: ((f / "connector").mkdir(), put(f / "connector", {"_connector.0.weight": torch.ones(2, 2)})),
        "one of its folders: connector",
    ),
    "DeepSpeed's parts alone": (
        lambda f, s: ((f / "global_step9").mkdir(), (f / "zero_to_fp32.py").write_text("")),
        "its zero_to_fp32.py first",
    ),
    "weights of other programs": (lambda f, s: (f / "ggml-model-q4_k.gguf").write_bytes(b"GGUF"), "holds no weights"),
    "an empty folder": (lambda f, s: None, "holds no weights"),
}
"""Folders that must be refused: what fills them, and what the sentence says."""


def lora(folder, state, extra, *, form="bin", saved=None, name="model.layers.0.self_attn.q_proj", **settings):
    torch.manual_seed(7)
    weight = state[f"{name}.weight"]
    a, b = torch.randn(2, weight.shape[1]), torch.randn(weight.shape[0], 2)
    held = {f"base_model.model.{name}.lora_{k}.weight": v for k, v in (("A", a), ("B", b))} | (saved or {})
    put(folder, held, f"adapter_model.{form}")
    if extra is not None:
        torch.save(extra, folder / "non_lora_trainables.bin")
    (folder / "adapter_config.json").write_text(json.dumps({"r": 2, "lora_alpha": 4, **settings}))
    return 2 * b @ a


PEFT = "base_model.model."
LORA = {
    "the released code's names": lambda f, s, p: lora(f, s, prefixed(p, PEFT)),
    "names without PEFT's": lambda f, s, p: lora(f, s, p),
    "names without model": lambda f, s, p: lora(f, s, {k.removeprefix("model."): v for k, v in p.items()}),
    "an adapter in safetensors": lambda f, s, p: lora(f, s, prefixed(p, PEFT), form="safetensors"),
    "modules_to_save of PEFT": lambda f, s, p: lora(f, s, None, saved=prefixed(p, PEFT)),
    "modules_to_save as they are in memory": lambda f, s, p: lora(
        f,
        s,
        None,
        saved={f"{PEFT}{k.replace('mm_projector.', 'mm_projector.modules_to_save.default.')}": v for k, v in p.items()}
        | {f"{PEFT}{k.replace('mm_projector.', 'mm_projector.original_module.')}": v + 1 for k, v in p.items()},
    ),
    "an output layer trained whole": lambda f, s, p: lora(f, s, prefixed(p | only(s, "lm_head"), PEFT)),
    "an encoder trained whole": lambda f, s, p: lora(f, s, prefixed(p | only(s, "vision_tower"), PEFT)),
    "the adapter's name within": lambda f, s, p: (
        lora(f, s, prefixed(p, PEFT)),
        put(
            f,
            {k.replace(".weight", ".default.weight"): v for k, v in torch.load(f / "adapter_model.bin").items()},
            "adapter_model.bin",
        ),
    )[0],
    "both forms of the adapter": lambda f, s, p: (
        lora(f, s, prefixed(p, PEFT), form="safetensors"),
        lora(f, s, prefixed(p, PEFT)),
    )[0],
    "an adapter of the encoder": lambda f, s, p: lora(
        f, s, prefixed(p, PEFT), name="model.vision_tower.vision_tower.vision_model.encoder.layers.0.self_attn.q_proj"
    ),
    "an adapter of the projector": lambda f, s, p: lora(f, s, prefixed(p, PEFT), name="model.mm_projector.0"),
}
"""Adapters that must be added: each function returns what is added to the layer."""
LORA_REFUSED = {
    "no projector": (lambda f, s, p: lora(f, s, None), "no non_lora_trainables.bin"),
    "a projector elsewhere": (lambda f, s, p: lora(f, s, only(s, "lm_head")), "holds no mm_projector"),
    "half a projector": (lambda f, s, p: lora(f, s, dict(list(p.items())[:2])), "does not fit"),
    "half a pair": (
        lambda f, s, p: (
            lora(f, s, p),
            put(f, {f"{PEFT}model.layers.0.self_attn.q_proj.lora_A.weight": torch.ones(2, 2)}, "adapter_model.bin"),
        ),
        "does not fit",
    ),
    "DoRA": (lambda f, s, p: lora(f, s, p, use_dora=True), "an adapter with use_dora"),
    "ranks by layer": (lambda f, s, p: lora(f, s, p, rank_pattern={"q": 1}), "an adapter with rank_pattern"),
    "an adapter of embeddings": (
        lambda f, s, p: lora(f, s, p, saved={f"{PEFT}model.embed_tokens.lora_embedding_A": torch.ones(2, 2)}),
        "does not fit",
    ),
    "a larger model's adapter": (
        lambda f, s, p: lora(f, {**s, "model.norm.weight": torch.ones(9, 9)}, p, name="model.norm"),
        "does not fit",
    ),
    "no config": (lambda f, s, p: (lora(f, s, p), (f / "adapter_config.json").unlink()), "cannot be read"),
    "rank 0": (lambda f, s, p: lora(f, s, p, r=0), "an adapter with rank 0"),
    "code beside the adapter": (
        lambda f, s, p: (lora(f, s, None), evil(f, p, "non_lora_trainables.bin")),
        "cannot be read",
    ),
}
