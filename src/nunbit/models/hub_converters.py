"""Converters: what a package ships -> a folder that opens with `from_pretrained`, or a weight file of ours.

Each takes the verified members by file name and an empty folder to write into.
"""

from __future__ import annotations

import importlib
import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import cast

import numpy as np
import torch

from nunbit.errors import UserError, unknown_name

Members = Mapping[str, Path]
MAX_TENSOR_VALUES = 1 << 24


def convert(name: str, members: Members, folder: Path) -> None:
    """Run the converter of this name."""
    if name not in CONVERTERS:
        raise unknown_name("converter", name, CONVERTERS)
    CONVERTERS[name](members, folder)


# ---- a language model in GGUF


def llama_from_gguf(members: Members, folder: Path) -> None:
    """A Llama in GGUF -> bfloat16 safetensors with its tokenizer.

    A model that was opened from GGUF refuses `save_pretrained`, so its weights go into a fresh one.
    """
    try:
        importlib.import_module(
            "gguf"
        )  # transformers asks for it by name; a missing one gives an unreadable error there
    except ImportError:
        raise UserError(
            "this part needs the package 'gguf'", todo="pip install gguf, or install nunbit[parts]"
        ) from None
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

    (file,) = members.values()
    with quiet():
        opened = AutoModelForCausalLM.from_pretrained(str(file.parent), gguf_file=file.name, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(str(file.parent), gguf_file=file.name)
    config = opened.config
    del config.quantization_config
    config.dtype = torch.bfloat16
    fresh = LlamaForCausalLM(cast(LlamaConfig, config))
    fresh.load_state_dict(opened.state_dict())
    fresh = fresh.bfloat16()
    fresh.generation_config = opened.generation_config
    with quiet():
        fresh.save_pretrained(folder)
    tokenizer.model_max_length = config.max_position_embeddings
    if not tokenizer.chat_template:
        raise UserError(f"'{file.name}' has no chat template", allowed="an instruction-tuned model")
    tokenizer.save_pretrained(folder)


@contextmanager
def quiet() -> Iterator[None]:
    """Without the progress bars and advice of transformers; what fails there is raised, not printed."""
    with redirect_stderr(io.StringIO()):
        yield


# ---- image classifiers


def efficientnet_lite(members: Members, folder: Path) -> None:
    """The published state dict -> a classification model of transformers with its image processor."""
    from nunbit.encoders.efficientnet_lite import (
        VARIANTS,
        EfficientNetLiteConfig,
        EfficientNetLiteForImageClassification,
        fold_package_state,
    )
    from nunbit.perception.image_names import name_table

    (file,) = members.values()
    variant = next((v for v in VARIANTS if v in file.name), "")
    config = EfficientNetLiteConfig.of_variant(variant)
    config.id2label = {i: row.fine for i, row in enumerate(name_table())}
    config.label2id = {label: i for i, label in config.id2label.items()}
    model = EfficientNetLiteForImageClassification(config)
    model.load_state_dict(fold_package_state(torch.load(file, map_location="cpu", weights_only=True)))
    with quiet():
        model.save_pretrained(folder)
    write_image_processor(folder, config.image_size)


def write_image_processor(folder: Path, side: int) -> None:
    """``(x - 127) / 128`` of a square picture, bicubic, in the form that AutoImageProcessor opens."""
    facts = {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "size": {"height": side, "width": side},
        "resample": 3,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [127 / 255] * 3,
        "image_std": [128 / 255] * 3,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


# ---- a detector in TensorFlow.js


def centernet(members: Members, folder: Path) -> None:
    """The published graph -> our weight file in float16."""
    from nunbit.encoders.compact import save_compact

    graph = next(p for p in members.values() if p.suffix == ".json")
    save_compact(centernet_state(graph), folder / "model.safetensors", int8=False)
    (folder / "config.json").write_text(
        json.dumps({"model_type": "centernet-mobilenet-v3", "classes": 80}) + "\n", encoding="utf-8"
    )


def centernet_state(graph: Path) -> dict[str, torch.Tensor]:
    """A TensorFlow.js graph (``.json`` with its ``.bin`` beside it) -> the state dict of
    `encoders.centernet.CenterNet`."""
    held = _tfjs_weights(graph)
    state: dict[str, torch.Tensor] = {}

    def conv(ours: str, theirs: str, bias: str = "", *, depthwise: bool = False) -> None:
        # TensorFlow keeps filters as (height, width, in, out); a depthwise one as (height, width, channels, 1).
        state[f"{ours}.weight"] = torch.from_numpy(
            held[theirs].transpose((2, 3, 0, 1) if depthwise else (3, 2, 0, 1)).copy()
        )
        if bias:
            state[f"{ours}.bias"] = torch.from_numpy(held[bias].copy())

    def folded(ours: str, theirs: str, kind: str = "Conv2D", **shape: bool) -> None:
        conv(ours, f"tower_0/{theirs}/{kind}_weights", f"tower_0/{theirs}/{kind}_bn_offset", **shape)

    def separable(ours: tuple[str, str], theirs: str) -> None:
        conv(ours[0], f"{theirs}/depthwise_weights", depthwise=True)
        folded(ours[1], theirs, "separable_conv2d")

    folded("stem", "MobilenetV3/Conv")
    for i in range(15):
        there, here = "MobilenetV3/expanded_conv" + (f"_{i}" if i else ""), f"blocks.{i}"
        if i:
            folded(f"{here}.expand", f"{there}/expand")
        folded(f"{here}.depthwise", f"{there}/depthwise", "depthwise", depthwise=True)
        folded(f"{here}.project", f"{there}/project")
        for ours, theirs in (("reduce", "Conv"), ("expand", "Conv_1")):
            if f"{there}/squeeze_excite/{theirs}/weights" in held:
                squeeze = f"{there}/squeeze_excite/{theirs}"
                conv(f"{here}.squeeze_excite.{ours}", f"{squeeze}/weights", f"{squeeze}/biases")
    folded("top", "extern1")
    head = "CenternetHead"
    for level in "234":
        folded(f"lateral.{level}.reduce", f"{head}/c{level}_reverse/1x1")
        separable((f"lateral.{level}.depthwise", f"lateral.{level}.project"), f"{head}/c{level}_reverse/3x3")
    for level in "543":
        for branch in "xy":
            pair = f"upsample.{level}.depthwise_{branch}", f"upsample.{level}.project_{branch}"
            separable(pair, f"{head}/c{level}_upsample/branch_{branch}_upsample_resize")
    folded("gate_reduce", f"{head}/conv1x1_se_a")
    conv("gate_expand", f"{head}/conv1x1_se_b/weights")
    for ours, theirs in (("class", "cls"), ("side", "wh")):
        conv(f"{ours}_filter", f"{head}/centernet_{theirs}_output/depthwise_weights", depthwise=True)
        conv(
            f"{ours}_out",
            f"{head}/centernet_{theirs}_output/pointwise_weights",
            f"{head}/centernet_{theirs}_output/biases",
        )
    return state


def _tfjs_weights(graph: Path) -> dict[str, np.ndarray]:
    """Constants of a TensorFlow.js graph by name, float32, bounded in size."""
    raw = graph.with_suffix(".bin").read_bytes()
    found, offset = {}, 0
    for group in json.loads(graph.read_text(encoding="utf-8"))["weightsManifest"]:
        for w in group["weights"]:
            count = int(np.prod(w["shape"], dtype=np.int64))
            kind = np.dtype(
                {"float16": np.float16, "float32": np.float32, "int32": np.int32}[w.get("quantization", w)["dtype"]]
            )
            if not 0 <= count <= MAX_TENSOR_VALUES or offset + count * kind.itemsize > len(raw):
                raise UserError(f"'{graph.name}' names more values than its weight file holds", todo="fetch it again")
            found[w["name"]] = np.frombuffer(raw, kind, count, offset).reshape(w["shape"]).astype(np.float32)
            offset += count * kind.itemsize
    return found


CONVERTERS: dict[str, Callable[[Members, Path], None]] = {
    "llama_from_gguf": llama_from_gguf,
    "efficientnet_lite": efficientnet_lite,
    "centernet": centernet,
}
