"""`nunbit-small`: SmolLM2-135M-Instruct with what our training adds to it, as one ordinary model folder.

The package ships only the difference: low-rank adapters of every matrix, the rows of the added tokens, and the
connector, in int8 (`DELTA`). `assemble` merges it into the base, which `nunbit models get` fetches, and joins
EfficientNet-Lite, whose weights ship with perception. The folder opens like any other: `ComposedModel` and an
``object_aware.json`` that names the words about the picture.

Letters: r rank of an adapter, M tokens of a picture.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nunbit.encoders.compact import load_compact, save_compact
from nunbit.encoders.efficientnet_lite import MEAN, SCALE, EfficientNetLiteForImageClassification
from nunbit.encoders.vision import feature_shape
from nunbit.errors import UserError
from nunbit.models.build import join_composed
from nunbit.models.checkpoint import save
from nunbit.models.language import set_end_tokens
from nunbit.models.object_aware import ObjectAwareConfig, ObjectAwareModule, save_object_aware
from nunbit.models.processors import stretched_processor
from nunbit.models.prompt import IMAGE
from nunbit.models.syllables import add_syllables, grow_table

SHIPPED = Path(__file__).parent / "weights" / "nunbit-small"
DELTA, FACTS = "delta.safetensors", "delta.json"
CONNECTOR = "connector."
ASSEMBLY = 2
"""Raised with any change of `assemble` or `TEMPLATE`, so that a folder that was assembled before is not used."""
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""ChatML as the base model has it, without its standing system message; nothing stands between a picture and the words
about it."""
MAX_SCENE_TOKENS = 900


def is_shipped() -> bool:
    """Whether this installation has the difference."""
    return (SHIPPED / DELTA).is_file()


def save_delta(adapters: Mapping[str, Tensor], connector: Any, scale: float, steps: int, folder: Path) -> None:
    """Write what training added to the base.

    Args:
        adapters: ``layers.I.PART.A`` (r, in) and ``.B`` (out, r) of the parts qkv, out, gate_up and down, and
            ``rows.weight``.
        connector: the trained connector.
        scale: of the product B A.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = dict(adapters) | {CONNECTOR + k: v.detach() for k, v in connector.state_dict().items()}
    save_compact(state, folder / DELTA, int8=True)
    names = {k: v for k, v in vars(connector.config).items() if k != "name"}
    facts = {"scale": scale, "steps": steps, "connector": {"name": connector.config.name} | names}
    (folder / FACTS).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def read_delta(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What `save_delta` wrote: facts and tensors in float32.

    Raises:
        UserError: a file is missing or damaged.
    """
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        whole = isinstance(facts["scale"], float) and isinstance(facts["connector"]["name"], str)
    except (OSError, ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise UserError(f"'{folder / FACTS}' is damaged", todo="install nunbit again, or train again")
    return facts, load_compact(folder / DELTA)


def assemble(base: Path, folder: Path, shipped: Path) -> None:
    """Write `nunbit-small` as a model folder.

    Args:
        base: folder of the base language model.
        folder: where it is written; empty or new.
        shipped: folder of the difference, `SHIPPED` or that of a run.

    Raises:
        UserError: this installation has no weights of it, or the base is another model.
    """
    from tokenizers import AddedToken
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if not (shipped / DELTA).is_file():  # an installation without weights
        raise UserError("nunbit-small is missing from this installation", todo="install nunbit again")
    facts, delta = read_delta(shipped)
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.chat_template = TEMPLATE
    text = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    size = len(tokenizer)
    add_syllables(tokenizer)
    grow_table(text, len(tokenizer))
    if len(delta["rows.weight"]) != len(tokenizer) - size:
        raise UserError(f"'{base}' has another vocabulary", allowed="the base that nunbit-small was trained from")
    merge_delta(text, delta, facts["scale"], size)
    tokenizer.add_tokens([AddedToken(IMAGE, special=True, normalized=False)], special_tokens=True)
    grow_table(text, len(tokenizer))
    with torch.no_grad():  # the mark of a picture is never written by the model
        table: Any = text.get_input_embeddings().weight
        table[-1].zero_()
    model, processor = join_small(text, tokenizer, facts["connector"], delta)
    save(model.bfloat16(), processor, folder)
    config = ObjectAwareConfig(scene_prompt="compact", question_facts=True, max_scene_tokens=MAX_SCENE_TOKENS)
    save_object_aware(ObjectAwareModule(model, processor, config), folder)


@torch.no_grad()
def merge_delta(text: Any, delta: Mapping[str, Tensor], scale: float, size: int) -> None:
    """Add adapters to the matrices of a `LlamaForCausalLM`, and set the rows from ``size`` on."""
    table = text.get_input_embeddings().weight
    table[size : size + len(delta["rows.weight"])] = delta["rows.weight"]
    for i, layer in enumerate(text.model.layers):
        a, m = layer.self_attn, layer.mlp
        for name, matrices in {
            "qkv": (a.q_proj, a.k_proj, a.v_proj),
            "out": (a.o_proj,),
            "gate_up": (m.gate_proj, m.up_proj),
            "down": (m.down_proj,),
        }.items():
            product = scale * delta[f"layers.{i}.{name}.B"] @ delta[f"layers.{i}.{name}.A"]
            for matrix, part in zip(matrices, product.split([len(x.weight) for x in matrices]), strict=True):
                matrix.weight += part


def join_small(text: Any, tokenizer: Any, connector: Mapping[str, Any], state: Mapping[str, Tensor]) -> tuple[Any, Any]:
    """The language model with the shipped vision encoder and a trained connector, and the processor.

    Args:
        connector: its config, with ``name``.
        state: its weights under `CONNECTOR`; other names are left aside.
    """
    encoder = EfficientNetLiteForImageClassification.shipped().encoder
    side = encoder.config.image_size
    options = {k: v for k, v in connector.items() if k not in ("name", "vision_width", "text_width")}
    shape = feature_shape(encoder, -1, side)
    model = join_composed(encoder, text, tokenizer, str(connector["name"]), options, -1, shape)
    own = {k.removeprefix(CONNECTOR): v for k, v in state.items() if k.startswith(CONNECTOR)}
    model.connector.load_state_dict(own)
    mean, std = [MEAN / 255] * 3, [SCALE / 255] * 3
    processor = stretched_processor(tokenizer, side, model.config.image_seq_length, mean, std)
    set_end_tokens(model.generation_config, tokenizer, processor.chat_template)
    return model.eval(), processor
