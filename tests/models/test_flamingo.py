"""A composed Flamingo: the bare language model while its gates are closed, the same from disk, the same with a
cache."""

import json
import shutil
from dataclasses import asdict

import numpy as np
import pytest
import torch
from PIL import Image
from tests.families import LANGUAGE, language, tokenizer, vision
from transformers import AutoModelForCausalLM

from nunbit.assistant import Assistant
from nunbit.engine.sampling import SamplingParams
from nunbit.engine.scheduler import Engine
from nunbit.errors import UserError
from nunbit.messages import Message, Part, question
from nunbit.models.build import GATED, build_model
from nunbit.models.checkpoint import open_model, save
from nunbit.models.flamingo import CONFIG, VISION, WEIGHTS, gated_parts
from nunbit.recipes.flamingo.__init__ import GatedOptions

SMALL = {
    "every": 1,
    "heads": 2,
    "head_dim": 8,
    "latents": 3,
    "resampler_depth": 1,
    "resampler_heads": 2,
    "resampler_head_dim": 8,
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("parts")
    found = {k: language(k, root / k) for k in LANGUAGE} | {k: vision(k, root / k) for k in ("clip", "siglip")}
    return found | {"gpt2": other_family(root / "gpt2")}


def other_family(folder):
    """A decoder whose modules have other names, with learned positions."""
    from transformers import GPT2Config, GPT2LMHeadModel

    words = tokenizer("smollm")
    GPT2LMHeadModel(GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=256, vocab_size=len(words))).save_pretrained(
        folder
    )
    words.save_pretrained(folder)
    return folder


def made(folders, llm="llama", eyes="clip", *, loud=True):
    torch.manual_seed(0)
    model, processor = build_model(folders[eyes], folders[llm], connector=GATED, options=SMALL, layer=-1)
    if loud:
        for block in model.connector.blocks.values():
            torch.nn.init.constant_(block.attention_gate, 0.9)
            torch.nn.init.constant_(block.feed_forward_gate, 0.5)
        torch.nn.init.normal_(model.model.image_marker)
    return model, processor


def pixels(count, seed=0):
    return list(np.random.default_rng(seed).integers(0, 255, (count, 40, 70, 3), dtype=np.uint8))


def inputs(processor, pictures=3):
    """Two rows, with two pictures and with one, padded on the left."""
    words = ["<image>What is <image>this?", "A red dog <image>is"]
    return processor(text=words, images=pixels(pictures), padding=True, padding_side="left", return_tensors="pt")


@pytest.mark.parametrize("llm, eyes", [*((kind, "clip") for kind in LANGUAGE), ("gpt2", "clip"), ("qwen3", "siglip")])
@torch.no_grad()
def test_closed_gates_are_the_language_model_bit_for_bit(folders, llm, eyes):
    model, processor = made(folders, llm, eyes, loud=False)
    given = inputs(processor)
    assert (given["input_ids"] == model.config.image_token_id).sum(1).tolist() == [2, 1]
    seen = model(**given).logits
    bare = AutoModelForCausalLM.from_pretrained(folders[llm]).eval()
    bare.resize_token_embeddings(len(processor.tokenizer), mean_resizing=False)
    bare.get_input_embeddings().load_state_dict(model.get_input_embeddings().state_dict())  # new rows are random
    wanted = bare(input_ids=given["input_ids"], attention_mask=given["attention_mask"]).logits
    known = model.config.image_token_id  # rows of the head from <image> on are new, and drawn at random
    assert torch.equal(seen[..., :known], wanted[..., :known])
    model.connector.blocks["1"].attention_gate.fill_(1.0)
    assert not torch.equal(model(**given).logits, seen)


@torch.no_grad()
def test_saved_and_opened_again_is_the_same_and_answers(folders, tmp_path):
    model, processor = made(folders, "qwen3")
    wanted = model(**inputs(processor)).logits
    save(model, processor, tmp_path / "m")
    save(model, processor, tmp_path / "m")  # over itself
    again, their = open_model(tmp_path / "m")
    assert torch.equal(again(**inputs(their)).logits, wanted)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m"]
    helper = Assistant(tmp_path / "m")
    two = [
        Message(
            "user", (Part.image(pixels(1)[0]), Part.text("this"), Part.image(pixels(1, 1)[0]), Part.text("or this?"))
        )
    ]
    talks = [two, question("What is this?", pixels(1, 2)), question("Hello?")]
    alone = [helper.ask(t, max_new_tokens=4).text for t in talks]
    assert helper.ask_many(talks, max_new_tokens=4) == alone
    assert helper.ask(talks[2], max_new_tokens=4).text == alone[2]  # the pictures of the one before are forgotten


def test_the_engine_answers_as_the_model_does(folders, tmp_path):
    model, processor = made(folders, "qwen3")
    save(model, processor, tmp_path / "m")
    helper = Assistant(tmp_path / "m")
    first, second = (Image.fromarray(p) for p in pixels(2))
    talks = [question("What is this?", [first, second]), question("What is that?", [second]), question("Hello?")]
    wanted = [helper.ask(t, max_new_tokens=6).text for t in talks]
    assert helper.ask_many(talks, max_new_tokens=6) == wanted  # padded on the left, whatever side the tokenizer prefers
    engine = Engine.from_loaded(helper, slots=4, length=128)
    try:
        assert [engine.ask(t, SamplingParams(max_tokens=6)).text for t in talks] == wanted
    finally:
        engine.close(5)


@pytest.mark.parametrize("llm", ["gemma", "gpt2"])
@torch.no_grad()
def test_cached_generation_is_the_full_pass(folders, llm):
    model, processor = made(folders, llm)
    given = inputs(processor)
    out = model.generate(**given, max_new_tokens=5, do_sample=False, eos_token_id=None)
    ids, mask = given["input_ids"], given["attention_mask"]
    for _ in range(5):
        row = model(ids, given["pixel_values"], mask, use_cache=False).logits[:, -1].argmax(-1, keepdim=True)
        ids, mask = torch.cat([ids, row], 1), torch.cat([mask, torch.ones_like(row)], 1)
    assert torch.equal(out, ids)


@torch.no_grad()
def test_a_picture_reaches_the_words_after_it_and_its_own_row(folders):
    model, processor = made(folders)
    given = inputs(processor)
    before = model(**given).logits
    for number in range(3):
        changed = {k: v.clone() for k, v in given.items()}
        changed["pixel_values"][number] += 1.0
        differs = (model(**changed).logits != before).any(-1)
        row, place = (0, number) if number < 2 else (1, 0)
        after = (given["input_ids"] == model.config.image_token_id).cumsum(1) > place
        after[1 - row] = False
        assert torch.equal(differs, after)


def test_pictures_and_their_tokens_must_agree(folders):
    model, processor = made(folders)
    given = inputs(processor)
    with pytest.raises(UserError, match="3 image tokens and 2 pictures"):
        model(given["input_ids"], given["pixel_values"][:2])


def save_as_before(model, processor, folder, llm, eyes):
    """The folder that versions before 0.2 wrote."""
    from safetensors.torch import save_file

    kept = {f"{part}.{k}": v.contiguous() for part, m in gated_parts(model).items() for k, v in m.state_dict().items()}
    shutil.copytree(llm, folder)
    processor.save_pretrained(folder)
    text = AutoModelForCausalLM.from_pretrained(llm)
    text.resize_token_embeddings(len(processor.tokenizer), mean_resizing=False)
    text.get_input_embeddings().load_state_dict(model.get_input_embeddings().state_dict())
    text.get_output_embeddings().load_state_dict(model.lm_head.state_dict())
    text.save_pretrained(folder)
    shutil.copytree(eyes, folder / VISION)
    save_file(kept, folder / WEIGHTS)
    fields = {k: v for k, v in model.config.connector.items() if k != "name"}
    held = {"connector": fields, "layer": -1, "extra": model.config.vision_extra_tokens}
    (folder / CONFIG).write_text(json.dumps(held))


@pytest.fixture
def old(folders, tmp_path):
    model, processor = made(folders)
    save_as_before(model, processor, tmp_path / "m", folders["llama"], folders["clip"])
    return model, processor, tmp_path / "m"


@torch.no_grad()
def test_a_folder_of_before_opens(old):
    model, processor, folder = old
    helper = Assistant(folder)
    assert torch.equal(helper.model(**inputs(helper.processor)).logits, model(**inputs(processor)).logits)


@pytest.mark.parametrize(
    "file, held", [(CONFIG, "{"), (CONFIG, "[]"), (CONFIG, '{"connector": {}}'), (WEIGHTS, "no tensors")]
)
def test_a_damaged_folder_is_refused_with_a_sentence(old, file, held):
    (old[2] / file).write_text(held)
    with pytest.raises(UserError, match="cannot be opened"):
        Assistant(old[2])


ABSURD = [("heads", 10**9), ("resampler_depth", 10**7), ("latents", 7), ("every", 10**12), ("head_dim", -(10**9))]


def test_absurd_sizes_are_refused_before_memory_is_taken(old):
    held = json.loads((old[2] / CONFIG).read_text())
    for field, size in ABSURD:
        (old[2] / CONFIG).write_text(json.dumps(held | {"connector": held["connector"] | {field: size}}))
        with pytest.raises(UserError, match="sizes"):
            Assistant(old[2])


def test_absurd_sizes_of_a_composed_model_are_refused_too(folders, tmp_path):
    model, processor = made(folders)
    save(model, processor, tmp_path / "m")
    held = json.loads((tmp_path / "m" / "config.json").read_text())
    for field, size in ABSURD:
        (tmp_path / "m" / "config.json").write_text(json.dumps(held | {"connector": held["connector"] | {field: size}}))
        with pytest.raises(UserError, match="sizes"):
            Assistant(tmp_path / "m")


@pytest.mark.parametrize("every, layers, width, billions", [(1, 24, 2048, 1.2), (4, 40, 4096, 1.6)])
def test_the_published_sizes_have_the_published_parameters(every, layers, width, billions):
    """GATED XATTN-DENSE of Flamingo-3B and 9B over pictures 1536 wide. Source: Flamingo, arXiv 2204.14198, tables 1 and
    5."""
    from nunbit.connectors import build

    sizes = asdict(GatedOptions(every=every))
    with torch.device("meta"):
        connector = build(GATED, vision_width=1536, text_width=width, layers=layers, image_token_id=5, **sizes)
    assert len(connector.blocks) == layers // every
    assert sum(p.numel() for p in connector.blocks.parameters()) / 1e9 == pytest.approx(billions, rel=0.05)
