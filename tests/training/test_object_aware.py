"""Object-aware models: what is told changes answers only as it should, lies beside the model, and is trained by its
recipes."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nunbit.assistant import Assistant
from nunbit.data.crayon_instructions import instruction
from nunbit.errors import UserError
from nunbit.messages import PLACEHOLDER, Message, Part, question
from nunbit.models.checkpoint import open_model, save
from nunbit.models.object_aware import (
    ObjectAwareConfig,
    ObjectAwareModule,
    language_of,
    open_object_aware,
    scene_words,
)
from nunbit.models.object_aware.context import squared_map
from nunbit.recipes import collavo, load, moai, names
from nunbit.recipes.debug_set import write_conversations
from nunbit.scene import Scene, SceneObject, Segment, TextLine
from nunbit.training.dual import DualTask
from nunbit.training.object_aware import ObjectAwareTask
from nunbit.training.options import RunOptions
from nunbit.training.stage import Stage
from nunbit.world.samples import sample

QUIET = RunOptions(say=lambda _: None)


def scene(number: int) -> Scene:
    """Two segments of the picture's halves, and a line of text."""
    cells = np.zeros((56, 56), np.int64)
    cells[:, :28], cells[:, 28:] = 1, 2
    return Scene(56, 56, segments=[Segment(1, "person", 1), Segment(2, "dog", 1 + number)], segment_map=cells)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A small native LLaVA on disk."""
    from nunbit.recipes.debug_set import write_language, write_vision

    folder = tmp_path_factory.mktemp("base")
    from nunbit.models.build import build_model

    torch.manual_seed(1)
    model, processor = build_model(write_vision(folder / "vision"), write_language(folder / "llm"))
    save(model, processor, folder / "model")
    return folder / "model"


BOTH = {
    "crayon": {"classes": 133, "rank": 8},
    "moai": {"latents": 4, "depth": 1, "heads": 2, "head_dim": 8, "rank": 4, "every": 1},
}


def aware(base: Path, *, loud: bool = True, connectors=None, **how) -> ObjectAwareModule:
    model, processor = open_model(base)
    made = ObjectAwareModule(
        model.float(), processor, ObjectAwareConfig(connectors=BOTH if connectors is None else connectors, **how)
    )
    if loud:
        torch.manual_seed(3)
        for m in made.modules().values():
            for p in m.parameters():
                torch.nn.init.normal_(p, std=0.3)
    for m in made.modules().values():
        m.eval()
    return made


def prompts(made: ObjectAwareModule, count: int):
    """Processor's inputs of ``count`` questions of different lengths, left-padded."""
    asked = ["what is this", "what is in the picture, and where does it stand", "is"][:count]
    words = [
        made.processor.apply_chat_template(
            [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": a}]}], add_generation_prompt=True
        )
        for a in asked
    ]
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 255, (56, 56, 3), dtype=np.uint8) for _ in asked]
    return made.processor(text=words, images=pictures, return_tensors="pt", padding=True, add_special_tokens=False)


@torch.no_grad()
def logits(made: ObjectAwareModule, inputs, scenes) -> torch.Tensor:
    if scenes:
        made.look(inputs, scenes, range(len(scenes)))
    else:
        made.clear_context()
    return made.model(**inputs).logits


def test_fresh_parts_are_silent_and_learnt_ones_are_not(base):
    inputs = prompts(aware(base, loud=False), 1)
    bare = logits(aware(base, loud=False), inputs, [])
    assert torch.allclose(logits(aware(base, loud=False), inputs, [scene(0)]), bare, atol=1e-5)
    loud = aware(base)
    told = logits(loud, inputs, [scene(0)])
    assert (told - bare).abs().max() > 0.1
    assert torch.equal(logits(loud, inputs, []), bare)
    assert not torch.allclose(told, logits(loud, inputs, [scene(1)]))


def test_batch_mates_and_padding_change_nothing(base):
    made = aware(base)
    scenes = [scene(0), scene(1), scene(2)]
    inputs = prompts(made, 3)
    together = logits(made, inputs, scenes)
    for i in range(3):
        length = int(inputs["attention_mask"][i].sum())
        one = {
            "input_ids": inputs["input_ids"][i : i + 1, -length:],
            "attention_mask": inputs["attention_mask"][i : i + 1, -length:],
            "pixel_values": inputs["pixel_values"][i : i + 1],
        }
        assert torch.allclose(logits(made, one, [scenes[i]])[0], together[i, -length:], atol=2e-4)


def test_a_later_word_changes_no_earlier_logit(base):
    made = aware(base)
    inputs = prompts(made, 1)
    before = logits(made, inputs, [scene(0)])
    changed = {k: v.clone() for k, v in inputs.items()}
    changed["input_ids"][0, -3] = 7
    after = logits(made, changed, [scene(0)])
    assert torch.allclose(before[:, :-3], after[:, :-3], atol=1e-5) and not torch.allclose(
        before[:, -3:], after[:, -3:]
    )


def test_saved_and_opened_again_is_the_same(base, tmp_path):
    made = aware(base, scene_prompt="objects")
    save(made.model, made.processor, tmp_path)
    made.save(tmp_path)
    inputs = prompts(made, 2)
    wanted = logits(made, inputs, [scene(0), scene(1)])
    model, processor = open_model(tmp_path)
    again = open_object_aware(tmp_path, model, processor)
    assert again.config.words == "objects"
    assert torch.allclose(logits(again, inputs, [scene(0), scene(1)]), wanted, atol=1e-5)
    helper = Assistant(tmp_path)
    picture = sample(0, seed=1, mixture={"things": 1.0}).picture.pixels
    assert isinstance(helper.ask(question("What is this?", [picture]), max_new_tokens=3).text, str)
    batch = [question("What is this?", [picture]), question("And this thing here, what is it?", [picture[::-1].copy()])]
    assert helper.ask_many(batch, max_new_tokens=3) == [helper.ask(q, max_new_tokens=3).text for q in batch]


@pytest.mark.parametrize(
    "damage",
    [
        "{",
        "[]",
        '{"connectors": {"crayon": {"rank": 1000000000}}}',
        '{"connectors": {"moai": {"depth": 60000}}}',
        '{"connectors": {"crayon": {"rank": 7}}}',
        '{"connectors": {"crayon": {"rank": "x"}}}',
        '{"connectors": {}, "what": 1}',
        '{"connectors": {"mlp": {}}}',
    ],
)
def test_damaged_parts_are_refused_in_words(base, tmp_path, damage):
    made = aware(base)
    save(made.model, made.processor, tmp_path)
    made.save(tmp_path)
    (tmp_path / "aware.json").write_text(damage)
    with pytest.raises(UserError):
        Assistant(tmp_path)


def test_words_of_a_scene():
    assert scene_words(Scene(10, 10), "objects") == "" == scene_words(Scene(10, 10), "plain")
    assert scene_words(scene(0), "objects").startswith(
        "The image includes (#1 person) [0.00, 0.00, 0.50, 1.00], (#1 dog)"
    )
    with pytest.raises(UserError):
        scene_words(scene(0), "loud")


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        ("What is it?", "en"),
        ("무엇인가요?", "ko"),
        ('Is the word "표지판" written here?', "en"),
        ('"STOP"라고 써 있나요?', "ko"),
        ("What is the price of 아이스크림?", "en"),
        ("NOTICE는 어디에 있나요?", "ko"),
        ("total은 얼마?", "ko"),
        ("", "en"),
    ],
)
def test_a_question_is_told_in_its_language(base, asked, language):
    assert language_of(question(asked, [PLACEHOLDER])[0]) == language
    seen = replace(Scene(10, 10), objects=[SceneObject("dog", (1, 1, 5, 5), attributes={"colour": "red"})])
    made = aware(base, connectors={}, scene_prompt="plain", translations={"ko": {"dog": "개", "red": "빨간색"}})
    (said,) = [
        p.content
        for p in made.add_scene_text(question(asked, [PLACEHOLDER]), [seen])[0].parts
        if p.content.startswith(("Objects", "물체"))
    ]
    assert said.startswith("물체: 빨간색 개 [" if language == "ko" else "Objects: red dog [")


def test_every_question_of_the_world_is_told_in_its_own_language():
    for i in range(60):
        for qa in sample(i, seed=3, questions=30).questions:
            assert language_of(question(qa.question, [])[0]) == qa.language, qa.question


def test_words_that_find_no_room_are_left_out(base):
    many = replace(scene(0), text_lines=[TextLine.from_box(f"line {i}", (0, i, 9, i + 1), 1.0) for i in range(30)])
    made = aware(base, connectors={}, scene_prompt="plain")
    size = lambda words: len(made.processor.tokenizer(words, add_special_tokens=False)["input_ids"])  # noqa: E731
    whole = size(made.scene_text.words(many))
    for room in (whole, whole // 2, whole // 5, 0):
        made.config = replace(made.config, max_scene_tokens=room)
        said = made.scene_text.words(many)
        assert size(said) <= room and (room == whole) == ("line 29" in said)
    assert said == ""


def test_spoken_words_stand_after_their_picture(base):
    made = aware(base, connectors={}, scene_prompt="objects")
    said = made.add_scene_text(question("What?", [PLACEHOLDER, PLACEHOLDER]), [scene(0), Scene(5, 5)])
    assert [p.kind for p in said[0].parts] == ["image", "text", "image", "text"] and "person" in said[0].parts[
        1
    ].content
    assert aware(base, connectors={}).spoken(question("What?", [PLACEHOLDER]), [scene(0)]) == question(
        "What?", [PLACEHOLDER]
    )


def test_a_map_is_cut_as_the_picture_is():
    class Pads:
        do_pad = True

    class Crops:
        do_center_crop = True

    wide = np.arange(8).reshape(2, 4)
    assert np.array_equal(squared_map(wide, Pads()), np.pad(wide, ((1, 1), (0, 0))))
    assert np.array_equal(squared_map(wide, Crops()), wide[:, 1:3])
    assert squared_map(wide, object()) is wide


def test_instructions_name_what_is_there():
    forms = set()
    for seed in range(30):
        ask, answer = instruction(scene(2), np.random.default_rng(seed), "en" if seed % 2 else "ko")
        forms.add(ask)
        assert ("(#1 person)" in answer and "(#3 dog)" in answer) or answer in (
            "[0.00, 0.00, 0.50, 1.00]",
            "[0.50, 0.00, 1.00, 1.00]",
        )
        assert seed % 2 or any("가" <= c <= "힣" for c in ask)
    assert len(forms) == 8  # three forms, one of them for each of two names, in two languages
    assert instruction(Scene(4, 4), np.random.default_rng(0))[1] == "Nothing that is known."


def test_each_adapter_learns_from_its_own_data_and_both_speak(base):
    from nunbit.recipes.collavo import ADAPTERS, with_adapters
    from nunbit.training.config import LoraConfig, Phase

    model, processor = with_adapters(base, LoraConfig(rank=4, alpha=4, dropout=0.0), ADAPTERS, Phase(language_lr=1e-3))
    made = ObjectAwareModule(
        model.get_base_model(), processor, ObjectAwareConfig(connectors={"crayon": BOTH["crayon"]})
    )
    from nunbit.data.conversations import Conversation, encode
    from nunbit.models.image_tokens import image_tokens
    from nunbit.models.prompt import PromptBuilder

    picture = Path(base).parent / "picture.png"
    from PIL import Image

    Image.fromarray(sample(0, seed=1).picture.pixels).save(picture)
    told = [
        Conversation(
            str(i),
            (Message("user", (Part.image(picture), Part.text("what"))), Message("assistant", (Part.text(f"{i}"),))),
        )
        for i in range(4)
    ]
    samples, _ = encode(told, PromptBuilder.from_processor(processor, image_tokens(made.model.config)), max_tokens=500)
    dual = DualTask(
        {kind: ObjectAwareTask(made, processor.image_processor, samples, pad=0) for kind in ("image", "words")}
    )
    stage = Stage(name="s", steps=8, batch=2, lr=1e-2)
    turns = {dual.turn(step, stage) for step in range(20)}
    assert turns == {0, 1}
    dual.modules()
    for name, p in model.named_parameters():  # B starts at zero, and A has no gradient then
        if "lora_B" in name:
            torch.nn.init.normal_(p, std=0.1)
    for step in range(6):
        model.zero_grad(set_to_none=True)
        batch = dual.batch(step, stage)
        [piece] = dual.micro_batches(batch, stage)
        dual.loss(piece)[0].backward()
        moved = {n for n, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
        mine = ADAPTERS[dual.turn(step, stage)]
        assert moved and all(f".{mine}." in n for n in moved)
        assert any(p.grad is not None for p in made.connectors["crayon"].parameters())
    with torch.no_grad():
        inputs = prompts(made, 1)
        before = logits(made, inputs, [scene(0)])
        for adapter in ADAPTERS:
            weight = next(p for n, p in model.named_parameters() if f"lora_B.{adapter}." in n)
            kept = weight.clone()
            weight.add_(1.0)
            assert not torch.allclose(logits(made, inputs, [scene(0)]), before)
            weight.copy_(kept)


@pytest.mark.parametrize("name", ["collavo", "moai"])
def test_the_recipe_runs_resumes_and_its_model_answers(name, base, tmp_path):
    recipe = load(name)
    assert name in names()
    data = write_conversations(tmp_path / "data", samples=8)
    done = recipe.configure([f"model.base={base}", f"data={data}", f"images={data.parent}", "debug=true"])
    out = recipe.run(done, tmp_path / "run", QUIET)
    first = {p.name: p.read_bytes() for p in out.glob("*.safetensors")}
    assert {"aware.safetensors", "model.safetensors"} <= set(first)
    stages = [p.parent.name for p in (tmp_path / "run").glob("*/last.pt")]
    assert sorted(stages) == sorted(done.phases())
    assert recipe.run(done, tmp_path / "run", QUIET) == out
    assert {p.name: p.read_bytes() for p in out.glob("*.safetensors")} == first
    helper = Assistant(out)
    assert (
        helper.aware is not None
        and helper.ask(question("What is this?", [sample(1, seed=1).picture.pixels]), max_new_tokens=2).tokens
    )
    held = json.loads((out / "aware.json").read_text())
    assert list(held["connectors"]) == (["crayon"] if name == "collavo" else ["moai"])
    if name == "collavo":
        assert {p.name for p in (tmp_path / "run" / "adapter").iterdir() if p.is_dir()} == {"image", "words"}


@pytest.mark.parametrize("name", ["collavo", "moai"])
def test_the_plan_counts_what_the_run_learns(name, base, tmp_path):
    recipe = load(name)
    data = write_conversations(tmp_path / "data", samples=8)
    done = recipe.configure([f"model.base={base}", f"data={data}", f"images={data.parent}", "debug=true"]).small(
        tmp_path
    )
    plan = recipe.plan(done, 1e10)
    counts, plans = plan.parameters, plan.stages
    said = []
    recipe.run(
        recipe.configure([f"model.base={base}", f"data={data}", f"images={data.parent}", "debug=true"]),
        tmp_path / "run",
        RunOptions(say=said.append),
    )
    for plan in plans:
        line = next(x for x in said if x.startswith(f"{plan.name}: learning"))
        part = "moai" if name == "moai" else "crayon"
        if plan.name != "experts":  # its gates wait
            assert f"{part} {plan.learns[part]:,}" in line
        if plan.name == "instruct":
            assert f"language {plan.learns['language']:,}" in line
    assert set(counts) == {"vision", "connector", "language", "crayon" if name == "collavo" else "moai"}


def test_moai_leaves_its_gates_alone_in_the_first_step(base, tmp_path):
    data = write_conversations(tmp_path / "data", samples=8)
    done = moai.configure(
        [f"model.base={base}", f"data={data}", f"images={data.parent}", "debug=true", "stages=experts"]
    )
    moai.run(done, tmp_path / "run", QUIET)
    learnt = torch.load(tmp_path / "run" / "experts" / "last.pt", weights_only=True)["modules"]["moai"]
    gates = {k: v for k, v in learnt.items() if ".gate_" in k}
    assert gates and all(not v.any() for v in gates.values())
    assert any(v.any() for k, v in learnt.items() if "linear_o.1" in k)


@pytest.mark.parametrize(
    "changes",
    [
        [],
        ["model.base=/nowhere"],
        ["stages=prompt,dance", "debug=true"],
        ["lora.rank=0", "debug=true"],
        ["instruct.connector_lr=1", "debug=true"],
        ["stages=", "debug=true"],
    ],
)
def test_what_cannot_be_is_said(changes, tmp_path):
    with pytest.raises(UserError):
        collavo.run(collavo.configure(changes), tmp_path, QUIET)


def test_truncated_files_are_said_in_a_sentence(base, tmp_path):
    import shutil

    from nunbit.files import EMBEDDED
    from nunbit.perception.cells import CellPerception

    folder = tmp_path / "model"
    shutil.copytree(base, folder)
    aware(base).save(folder)
    held = folder / "aware.safetensors"
    held.write_bytes(held.read_bytes()[:-1000])
    with pytest.raises(UserError, match=r"aware\.safetensors"):
        Assistant(folder)
    eyes = shutil.copytree(EMBEDDED, tmp_path / "eyes") / "perception.safetensors"
    eyes.write_bytes(eyes.read_bytes()[:-1000])
    with pytest.raises(UserError, match=r"eyes\.safetensors"):
        CellPerception.from_pretrained(eyes.parent)
