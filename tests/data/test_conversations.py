"""Any encoder with any language model: rendered, trained, saved, reloaded, asked, adapted, merged, planned. No code for
any pair."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.families import LANGUAGE, TEMPLATES, VISION, language, tokenizer, vision

from nunbit.assistant import Assistant
from nunbit.data.conversations import encode, read_conversations
from nunbit.data.grouping import packs, plan, token_utilization
from nunbit.errors import UserError
from nunbit.media.images import decode
from nunbit.messages import Message, Part, question
from nunbit.models.build import build_model
from nunbit.models.checkpoint import save
from nunbit.models.image_tokens import image_tokens
from nunbit.models.prompt import PromptBuilder
from nunbit.recipes import llava15
from nunbit.recipes.debug_set import write_conversations
from nunbit.training.loop import train
from nunbit.training.multimodal import ConversationTask, freeze, part_of
from nunbit.training.options import RunOptions
from nunbit.training.stage import Stage

QUIET = RunOptions(say=lambda _: None)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    root = tmp_path_factory.mktemp("families")
    folders = {k: language(k, root / f"llm-{k}") for k in LANGUAGE} | {k: vision(k, root / f"eyes-{k}") for k in VISION}
    return root, folders


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return write_conversations(tmp_path_factory.mktemp("world"), samples=12)


def recipe(parts, world, llm="llama", eyes="clip", *more):
    named = [f"model.llm={parts[1][llm]}", f"model.vision={parts[1][eyes]}", f"data={world}"]
    done = llava15.configure([*named, *more])
    small = {"steps": 2, "batch": 4, "micro_batch_size": 2}
    return replace(done, connect=replace(done.connect, **small), tune=replace(done.tune, **small))


@pytest.mark.parametrize("eyes", VISION)
@pytest.mark.parametrize("llm", LANGUAGE)
def test_every_pair_trains_saves_reloads_and_answers(parts, world, tmp_path, llm, eyes):
    done = recipe(parts, world, llm, eyes)
    folder = llava15.run(done, tmp_path, QUIET)
    lines = [json.loads(t) for t in (tmp_path / "tune" / "log.jsonl").read_text().splitlines()]
    assert len(lines) == 2 and all(np.isfinite(x["loss"]) for x in lines)
    again = Assistant(folder)
    first = read_conversations(world)[0]
    answer = again.ask(question(first.messages[0].text, [decode(first.images[0])]), max_new_tokens=4)
    assert 1 <= answer.tokens <= 4
    learnt = torch.load(tmp_path / "tune" / "last.pt", weights_only=True)["modules"]["connector"]
    saved = {n.replace(".", "/"): p for n, p in again.model.named_parameters()}
    assert learnt and all(torch.equal(saved[n], value) for n, value in learnt.items())


@pytest.mark.parametrize("kind", LANGUAGE)
@pytest.mark.parametrize("plain", (False, True))
def test_labels_are_the_answers_whatever_the_template(kind, plain):
    words = tokenizer(kind)
    words.add_special_tokens({"additional_special_tokens": [*words.additional_special_tokens, "<image>"]}) if hasattr(
        words, "additional_special_tokens"
    ) else words.add_special_tokens({"extra_special_tokens": ["<image>"]})
    talk = [
        Message(
            "user", (Part.image(Path("x.png")), Part.text("What is <image> in <|im_end|> </s> <eos> the picture?"))
        ),
        Message("assistant", (Part.text("a red dog"),)),
        Message("user", (Part.text("고양이 model?"),)),
        Message("assistant", (Part.text("no"),)),
    ]
    builder = PromptBuilder(words)
    done = builder.build(talk, training=True, plain=plain)
    assert done.ids.tolist().count(builder.image_id) == 1  # words that look like one are only words
    learnt, run = [], []
    for i, on in zip([*done.ids, 0], [*done.loss_mask, False], strict=True):
        if on:
            run.append(i)
        elif run:
            learnt.append(words.decode(run))
            run = []
    end = "\n" if plain else builder.end
    said = "".join(learnt) if plain else learnt
    if plain:
        assert said == "a red dog\nno\n"
    else:
        assert [t.replace("<think>\n\n</think>\n\n", "").lstrip("\n ") for t in said] == [f"a red dog{end}", f"no{end}"]


def test_what_is_learnt_is_what_generation_will_write(parts):
    """The prompt for generation is exactly what stands before the first trainable token."""
    for kind in TEMPLATES:
        model, processor = build_model(parts[1]["clip"], parts[1][kind])
        talk = [Message("user", (Part.text("What is it?"),)), Message("assistant", (Part.text("a cup"),))]
        done = PromptBuilder.from_processor(processor).build(talk, training=True)
        before = done.ids[: done.loss_mask.argmax()].tolist()
        asked = processor.apply_chat_template(
            [{"role": "user", "content": [{"type": "text", "text": "What is it?"}]}], add_generation_prompt=True
        )
        prompt = processor.tokenizer(asked, add_special_tokens=False)["input_ids"]
        assert prompt[: len(before)] == before and model.generation_config.eos_token_id


@pytest.mark.parametrize(
    "given, said",
    [
        (
            {
                "id": 1,
                "image": "../../etc/passwd",
                "conversations": [{"from": "human", "value": "<image>\nx"}, {"from": "gpt", "value": "y"}],
            },
            "outside",
        ),
        (
            {
                "id": 1,
                "image": "a.png",
                "conversations": [{"from": "human", "value": "<image><image>"}, {"from": "gpt", "value": "y"}],
            },
            "more pictures",
        ),
        (
            {
                "id": 1,
                "image": "a.png",
                "conversations": [{"from": "human", "value": "x"}, {"from": "gpt", "value": "y"}],
            },
            "1 pictures and places 0",
        ),
        ({"id": 1, "conversations": [{"from": "robot", "value": "x"}]}, "robot"),
        ({"id": 1}, "no list of turns"),
        ([], "is a list"),
    ],
)
def test_malformed_samples_are_named(tmp_path, given, said):
    (tmp_path / "c.json").write_text(json.dumps([given]))
    with pytest.raises(UserError, match=said) as found:
        read_conversations(tmp_path / "c.json")
    assert "sample 0" in str(found.value)


def test_a_sample_without_an_answer_is_an_error_that_names_it(parts, tmp_path):
    _, processor = build_model(parts[1]["clip"], parts[1]["llama"])
    (tmp_path / "c.jsonl").write_text(json.dumps({"id": "lonely", "messages": [{"role": "user", "content": "x"}]}))
    with pytest.raises(UserError, match="lonely.*no trainable token"):
        encode(read_conversations(tmp_path / "c.jsonl"), PromptBuilder.from_processor(processor, 4), max_tokens=64)


def test_too_long_samples_are_left_out_and_counted(parts, world):
    model, processor = build_model(parts[1]["clip"], parts[1]["llama"])
    builder = PromptBuilder.from_processor(processor, image_tokens(model.config))
    every, none = encode(read_conversations(world), builder, max_tokens=10_000)
    most = sorted(s.length for s in every)[-3]
    kept, dropped = encode(read_conversations(world), builder, max_tokens=most)
    assert not none and len(kept) + sum(dropped.values()) == len(every) and all(s.length <= most for s in kept)


def test_grouping_shows_each_sample_once_and_evens_lengths():
    rng = np.random.default_rng(0)
    lengths, kinds = np.exp(rng.normal(5, 1, 1003)).astype(int), rng.random(1003) < 0.7
    batches = plan(lengths, kinds, 8, seed=(0, 0))
    assert sorted(np.concatenate(batches).tolist()) == list(range(1003)) and all(len(b) == 8 for b in batches[:-1])
    padded = [
        sum(lengths[b].max() * len(b) for b in batches)
        for batches in (batches, plan(lengths, kinds, 8, seed=(0, 0), group=False))
    ]
    assert padded[0] < 0.7 * padded[1]
    assert sum(len(set(kinds[b])) > 1 for b in batches) <= 2


def task_of(parts, world, rates, *, ordered=True):
    torch.manual_seed(0)
    model, processor = build_model(parts[1]["siglip"], parts[1]["qwen3"])
    freeze(model, rates)
    builder = PromptBuilder.from_processor(processor, image_tokens(model.config))
    samples, _ = encode(read_conversations(world), builder, max_tokens=4096)
    return ConversationTask(
        model, processor.image_processor, samples, pad=processor.tokenizer.pad_token_id, ordered=ordered
    ), processor


def test_the_loss_is_transformers_own(parts, world):
    task, _ = task_of(parts, world, {"connector": 1.0, "language": 1.0})
    stage = Stage(name="x", steps=1, batch=6, lr=1e-3)
    batch = task.batch(0, stage)
    with torch.no_grad():
        ours, _ = task.loss(batch)
        labels = torch.full_like(batch["labels"], -100)
        labels[:, 1:] = batch["labels"][:, :-1]
        theirs = task.model(
            input_ids=batch["ids"], pixel_values=batch["pixels"], attention_mask=batch["mask"].long(), labels=labels
        ).loss
    assert abs(float(ours) - float(theirs)) < 1e-5 * float(theirs)


def test_pieces_add_up_to_the_batch(parts, world):
    task, _ = task_of(parts, world, {"connector": 1.0, "language": 1.0})
    grads = []
    for micro in (0, 2):
        stage = Stage(name="x", steps=1, batch=7, lr=1e-3, micro_batch_size=micro)
        task.model.zero_grad()
        for piece in task.micro_batches(task.batch(0, stage), stage):
            task.loss(piece)[0].backward()
        grads.append([p.grad.clone() for p in task.model.parameters() if p.requires_grad])
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(*grads, strict=True))


def test_frozen_parts_stay_and_learning_ones_move(parts, world, tmp_path):
    for rates in ({"connector": 1e-2}, {"vision": 1e-2}, {"language": 1e-2, "connector": 1e-2}):
        task, _ = task_of(parts, world, rates)
        before = {n: p.clone() for n, p in task.model.named_parameters()}
        stage = Stage(name="x", steps=2, batch=4, lr=1e-2, part_lr=rates, warmup=0)
        train(task, stage, tmp_path / "-".join(rates), QUIET)
        moved = {part_of(n) for n, p in task.model.named_parameters() if not torch.equal(before[n], p)}
        assert moved == set(rates)


def test_a_batch_of_words_alone_still_reaches_the_connector(parts, world):
    task, _ = task_of(parts, world, {"connector": 1.0})
    task.samples = [s for s in task.samples if not s.media]
    stage = Stage(name="x", steps=1, batch=2, lr=1e-3)
    batch = task.batch(0, stage)
    assert "pixels" not in batch
    task.loss(batch)[0].backward()
    grads = [p.grad for p in task.model.model.multi_modal_projector.parameters()]
    assert all(g is not None and not g.any() for g in grads)


@pytest.mark.parametrize("bits", (0, 4))
def test_adapters_open_with_plain_peft_and_merge(parts, world, tmp_path, bits):
    pytest.importorskip("peft")
    if bits:
        pytest.importorskip("bitsandbytes")
    done = recipe(parts, world, "smollm", "dinov2", "lora.rank=4", f"lora.bits={bits}", "tune.language_lr=1e-2")
    folder = llava15.run(done, tmp_path / "run", QUIET)
    from peft import PeftModel
    from transformers import AutoModelForImageTextToText

    from nunbit.training.adapters import base_of, merge, open_adapter, probe

    base = AutoModelForImageTextToText.from_pretrained(base_of(folder), dtype=torch.float32).eval()
    bare = probe(base)
    plain = probe(PeftModel.from_pretrained(base, str(folder)).eval())
    assert torch.allclose(plain, probe(open_adapter(folder)), atol=1e-5) and not torch.allclose(plain, bare, atol=1e-3)
    held = __import__("safetensors").safe_open(folder / "adapter_model.safetensors", "pt").keys()
    assert any("multi_modal_projector" in k for k in held)
    assert merge(folder, tmp_path / "merged") < 1e-3
    Assistant(tmp_path / "merged")


def test_resumed_is_unbroken(parts, world, tmp_path):
    """Two steps, a pause, two more: the same losses as four at once, to the bit."""
    curves = []
    for name, cuts in (("whole", [4]), ("broken", [2, 4])):
        for upto in cuts:
            task, _ = task_of(parts, world, {"connector": 1e-3, "language": 1e-3}, ordered=False)
            stage = Stage(name="x", steps=4, batch=4, lr=1e-3, save_every=2, warmup=0)
            if upto < 4:
                kill_after(task, upto)
            try:
                train(task, stage, tmp_path / name, QUIET)
            except KeyboardInterrupt:
                pass
        curves.append([json.loads(t)["loss"] for t in (tmp_path / name / "log.jsonl").read_text().splitlines()][-2:])
    assert curves[0] == curves[1]


def kill_after(task, steps):
    drawn, real = [], task.batch

    def batch(step, stage):
        if step >= steps:
            raise KeyboardInterrupt
        drawn.append(step)
        return real(step, stage)

    task.batch = batch


def test_plan_counts_without_opening_weights(parts, world):
    done = recipe(parts, world, "gemma", "siglip2")
    plan = llava15.plan(done, 1e10)
    counts, stages = plan.parameters, plan.stages
    model, _ = build_model(parts[1]["siglip2"], parts[1]["gemma"])
    truth = {p: sum(v.numel() for n, v in model.named_parameters() if part_of(n) == p) for p in counts}
    assert counts == truth
    assert stages[0].learns == {"connector": truth["connector"]} and set(stages[1].learns) == {"connector", "language"}


def test_folder_saved_by_hand_opens_the_same(parts, tmp_path):
    model, processor = build_model(parts[1]["clip"], parts[1]["llama"])
    save(model, processor, tmp_path / "m")
    again = Assistant(tmp_path / "m")
    for (n, a), (_, b) in zip(model.state_dict().items(), again.model.state_dict().items(), strict=True):
        assert torch.equal(a, b), n


@pytest.mark.parametrize("llm", LANGUAGE)
def test_a_packed_sample_is_the_sample_alone(parts, world, llm):
    """Hidden states of every document of a packed row equal those of the document by itself: nothing leaks, whatever
    the decoder."""
    model, processor = build_model(parts[1]["clip"], parts[1][llm])
    builder = PromptBuilder.from_processor(processor, image_tokens(model.config))
    samples, _ = encode(read_conversations(world), builder, max_tokens=1000)
    room = 2 * max(s.length for s in samples)
    freeze(model, {"connector": 1.0, "language": 1.0})
    how = {"pad": 0, "ordered": True}
    packed = ConversationTask(model.float(), processor.image_processor, samples, pack=room, **how)
    alone = ConversationTask(model, processor.image_processor, samples, **how)
    model.eval()
    stage = Stage(name="s", steps=1, batch=len(samples), lr=1.0)
    batch = packed.batch(0, stage)
    assert len(batch["ids"]) < len(samples) and int(batch["document"].max()) > 1
    assert packed.token_utilization(stage) >= alone.token_utilization(stage)
    with torch.no_grad():
        whole = packed.loss(batch)[0]
        apart = sum(
            alone.loss(piece)[0]
            for piece in alone.micro_batches(alone.batch(0, stage), replace(stage, micro_batch_size=1))
        )
        assert float(whole) == pytest.approx(float(apart), abs=2e-4)
        cut = sum(packed.loss(piece)[0] for piece in packed.micro_batches(batch, replace(stage, micro_batch_size=1)))
        assert float(cut) == pytest.approx(float(whole), abs=2e-4)
    # A change in the first document of a row reaches no other one.
    row = int((batch["document"] == 2).any(1).nonzero()[0])
    first, others = batch["document"][row] == 1, batch["document"][row] > 1

    def states(ids):
        embeds = packed.embed(batch | {"ids": ids})
        from nunbit.data.packing import block_mask

        return model.model.language_model(
            inputs_embeds=embeds,
            attention_mask=block_mask(batch["document"]),
            position_ids=batch["positions"],
            use_cache=False,
        ).last_hidden_state[row]

    changed = batch["ids"].clone()
    words = first & (changed[row] != packed.image_id)
    changed[row, words] = (changed[row, words] + 1) % 50
    with torch.no_grad():
        before, after = states(batch["ids"]), states(changed)
    assert torch.equal(before[others], after[others]) and not torch.allclose(before[first], after[first])


def test_packs_hold_each_sample_once_and_are_full():
    rng = np.random.default_rng(0)
    lengths = np.minimum(900, rng.lognormal(4.5, 0.9, 400)).astype(int) + 1
    rows = packs(lengths.tolist(), 1000)
    assert sorted(i for row in rows for i in row) == list(range(400))
    assert max(sum(lengths[row]) for row in rows) <= 1000
    batches = [np.arange(i, i + 40) for i in range(0, 400, 40)]
    assert token_utilization(lengths, batches, 1000) > 0.85 > token_utilization(lengths, batches)
    assert packs([5, 2000], 1000) == [[1], [0]]  # too long for a row: one of its own


def test_json_without_a_floor(tmp_path):
    (tmp_path / "deep.json").write_text("[" * 200_000)
    with pytest.raises(UserError, match="is not JSON"):
        read_conversations(tmp_path / "deep.json")
