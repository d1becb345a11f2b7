"""Packing changes no logit, answers alone are learnt, and a killed run goes on as if nothing had happened."""

import json
import os
import signal
import subprocess
import sys
import time
import unicodedata
from dataclasses import replace

import numpy as np
import pytest
import torch

from nunbit.data.packing import pack
from nunbit.models.chat import encode_text
from nunbit.models.tokenizer import build_tokenizer, spelt
from nunbit.perception.cells import glyph_char, glyph_parts
from nunbit.recipes import tiny
from nunbit.recipes.tiny.cells import cells_of
from nunbit.recipes.tiny.language import CurriculumStage, WordsTask, answers_of, question_ids
from nunbit.scene import TextLine
from nunbit.training.loop import Stage, Task, share_of_peak, train
from nunbit.training.muon import Muon
from nunbit.world.base import QA
from nunbit.world.samples import sample


@pytest.fixture(scope="module")
def tokenizer():
    return tiny.make_tokenizer(pictures=60)


def test_packed_questions_equal_separate_ones(tokenizer):
    model = tiny.build(tokenizer).eval()
    torch.manual_seed(0)
    prefix, asked = list(range(10, 30)), [([40, 41, 42], [50, 51]), ([43], [52, 53, 54]), ([44, 45], [55])]
    other = list(range(60, 67))
    packed = pack([prefix, other], [range(len(prefix)), range(len(other))], 30, [asked, asked[:1]], pad=0)

    def hidden(p):
        embeds = model.get_input_embeddings()(p.ids)
        return model.model.language_model(
            inputs_embeds=embeds, attention_mask=p.mask, position_ids=p.positions
        ).last_hidden_state

    with torch.no_grad():
        together = hidden(packed)
        for k, single in enumerate(asked):
            alone = pack([prefix], [range(len(prefix))], 30, [[single]], pad=0)
            start, size = len(prefix) + sum(len(g) + len(a) for g, a in asked[:k]), len(single[0]) + len(single[1])
            got, want = together[0, start : start + size], hidden(alone)[0, len(prefix) :]
            assert torch.allclose(got, want, atol=2e-5)
            assert packed.labels[0, start : start + size].tolist() == alone.labels[0, len(prefix) :].tolist()
    assert torch.isfinite(together).all()


def test_answer_rows_are_exactly_the_answers():
    asked = [([1, 2, 3], [4, 5]), ([6], [7])]
    packed = pack([[9, 9]], [[0, 1]], 2, [asked], pad=0)
    ids, labels = packed.ids[0].tolist(), packed.labels[0].tolist()
    assert [(ids[i], labels[i]) for i in range(len(ids)) if labels[i] >= 0] == [(3, 4), (4, 5), (6, 7)]


def test_hangul_parts_compose_back():
    for char in "가힣각뷁한":
        lead, vowel, final = glyph_parts(char)
        assert chr(0xAC00 + (lead - 96) * 588 + (vowel - 1) * 28 + final) == char
    assert glyph_parts("A") == (34, 0, 0)
    assert (
        "".join(glyph_char(*glyph_parts(c)) for c in "Aa9 ₩힣가값~") == "Aa9 \ufffd힣가값~"
        and glyph_char(0, 0, 0) == ""
    )


def test_cells_hold_what_was_drawn():
    names = tiny.class_names()
    for i in range(40):
        picture = sample(i, seed=4).picture
        cells = cells_of(picture, names)
        assert cells.name.shape == (144,) and cells.glyph.shape == (144, 4, 3)
        assert {names[k] for k in cells.name if k} <= {o.name for o in picture.scene.objects}
        assert (cells.glyph[..., 0] > 0).sum() <= len(picture.glyphs)


class Line(Task):
    """A task small enough to run hundreds of steps: fit a line to noise drawn from the step's own seed."""

    def __init__(self) -> None:
        torch.manual_seed(5)
        self.layer = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Dropout(0.2), torch.nn.Linear(8, 1))

    def modules(self):
        return {"layer": self.layer}

    def batch(self, step, stage):
        return {"x": torch.randn(4, 3, generator=torch.Generator().manual_seed(step))}

    def loss(self, batch):
        x = batch["x"]
        return (self.layer(x) - x.sum(1, keepdim=True)).square().mean(), {}


def curve(folder):
    return [(r["step"], r["loss"], r["grad"]) for r in map(json.loads, (folder / "log.jsonl").read_text().splitlines())]


STAGE = Stage(name="line", steps=60, batch=4, lr=1e-2, warmup=5, save_every=7)


def test_interrupted_and_resumed_is_bit_equal(tmp_path):
    train(Line(), STAGE, tmp_path / "whole", say=lambda _: None)

    class Dies(Line):
        def batch(self, step, stage):
            if step == 33:
                raise KeyboardInterrupt
            return super().batch(step, stage)

    with pytest.raises(KeyboardInterrupt):
        train(Dies(), STAGE, tmp_path / "cut", say=lambda _: None)
    train(Line(), STAGE, tmp_path / "cut", say=lambda _: None)
    assert curve(tmp_path / "cut") == curve(tmp_path / "whole")
    assert len(curve(tmp_path / "whole")) == 60


def test_batches_drawn_by_other_processes_are_the_same(tmp_path):
    train(Line(), STAGE, tmp_path / "here", say=lambda _: None)
    train(Line(), STAGE, tmp_path / "there", say=lambda _: None, workers=2)
    assert curve(tmp_path / "here") == curve(tmp_path / "there")


def test_a_killed_recipe_resumes_to_the_same_curve(tmp_path):
    """The real thing: the recipe's encoder stage as a process, killed without warning, started again."""
    command = [
        sys.executable,
        "-m",
        "nunbit",
        "train",
        "tiny",
        "stages=eyes",
        "steps=6",
        "batch=2",
        "save_every=2",
        "--threads",
        "1",
        "-o",
    ]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    tiny.make_tokenizer(pictures=40).save_pretrained(tmp_path / "whole" / "tokenizer")
    tiny.make_tokenizer(pictures=40).save_pretrained(tmp_path / "cut" / "tokenizer")
    subprocess.run([*command, str(tmp_path / "whole")], check=True, env=env, capture_output=True, timeout=240)
    process = subprocess.Popen(
        [*command, str(tmp_path / "cut")], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    log = tmp_path / "cut" / "eyes" / "log.jsonl"
    deadline = time.time() + 200
    while time.time() < deadline and not (log.exists() and len(log.read_text().splitlines()) >= 3):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 3 <= len(log.read_text().splitlines()) < 6, "the kill came too late to show anything"
    subprocess.run([*command, str(tmp_path / "cut")], check=True, env=env, capture_output=True, timeout=240)
    assert curve(tmp_path / "cut" / "eyes") == curve(tmp_path / "whole" / "eyes")


def test_every_stage_runs_and_the_model_opens(tmp_path, tokenizer):
    from nunbit.messages import question
    from nunbit.models.assistant import Assistant
    from nunbit.models.compose import open_native

    tokenizer.save_pretrained(tmp_path / "tokenizer")
    tiny.run(tmp_path, tuple(tiny.STAGES), debug=True, say=lambda _: None)
    model, _ = open_native(tmp_path / "model")
    assert model.config.model_type == "llava"
    for stage in tiny.STAGES:
        assert len(curve(tmp_path / stage)) == 2
    helper = Assistant(tmp_path / "model")
    assert helper.aware is not None and set(helper.aware.connectors) == {"crayon", "moai"}
    assert helper.ask(question("What is this?", [np.zeros((192, 192, 3), np.uint8)]), max_new_tokens=2).tokens


def test_schedule_rises_stays_and_falls():
    s = Stage(name="s", steps=100, batch=1, lr=1.0, warmup=10, decay=0.3)
    rates = [share_of_peak(i, s) for i in range(100)]
    assert rates[0] == 0.1 and rates[9:70] == [1.0] * 61 and rates[99] == pytest.approx(1 / 30)


def test_training_and_asking_see_the_same_sequence(tokenizer):
    """Logits at the answer are those of the whole model on the processor's input: what is trained is what is asked."""
    from nunbit.models.compose import make_processor
    from nunbit.perception.cells import features
    from nunbit.recipes.tiny.encoder import to_pixels

    model = tiny.build(tokenizer).eval()
    words = WordsTask(model, tokenizer, tiny.class_names())
    drawn = sample(5, seed=1, questions=3)
    pixels = to_pixels([drawn.picture.pixels])
    with torch.no_grad():
        tokens = model.model.multi_modal_projector(features(model.model.vision_tower, pixels))[0]
        prefix = [words.ids["<bos>"], words.ids["<user>"], *[words.ids["<image>"]] * len(tokens)]
        packed = pack(
            [prefix], [range(len(prefix))], len(prefix), question_ids([drawn], tokenizer), tokenizer.pad_token_id
        )
        embeds = model.get_input_embeddings()(packed.ids)
        embeds[0, 2 : 2 + len(tokens)] = tokens
        hidden = model.model.language_model(
            inputs_embeds=embeds, attention_mask=packed.mask, position_ids=packed.positions
        )
        logits = model.lm_head(hidden.last_hidden_state)[0]
        at, processor = len(prefix), make_processor(tokenizer, image_size_px=192, patch_px=16)
        for qa, (given, learnt) in zip(drawn.questions, question_ids([drawn], tokenizer)[0], strict=True):
            text = f"<bos><user><image>{qa.question}<assistant>"
            inputs = processor(text=text, images=drawn.picture.pixels, return_tensors="pt", add_special_tokens=False)
            assert inputs["input_ids"][0, len(prefix) :].tolist() == given
            assert torch.allclose(model(**inputs).logits[0, -1], logits[at + len(given) - 1], atol=1e-3)
            at += len(given) + len(learnt)


def test_what_is_read_off_a_picture_is_learnt_spelt_out_and_decodes_to_itself():
    tokenizer = build_tokenizer(["green", "버스"])
    line = TextLine.from_box("green 버스 31.75", (0, 0, 10, 10))
    asked = [QA("Read the sign.", "green 버스 31.75", "read", "en"), QA("What colour?", "green", "attribute", "en")]
    shown = replace(sample(0, seed=1, questions=0), questions=asked)
    shown = replace(shown, picture=replace(shown.picture, scene=replace(shown.picture.scene, text_lines=[line])))
    (_, read), (_, colour) = question_ids([shown], tokenizer)[0]
    assert tokenizer.convert_ids_to_tokens(colour) == ["▁green", "<eos>"]
    assert "".join(tokenizer.convert_ids_to_tokens(read)[:6]) == "▁green" and len(read) == 6 + 5 + 6 + 1
    assert unicodedata.normalize("NFC", tokenizer.decode(read, skip_special_tokens=True)) == "green 버스 31.75"
    assert spelt("日", tokenizer) == tokenizer("日", add_special_tokens=False)["input_ids"]


def test_muon_steps_are_orthogonal_and_go_downhill():
    from nunbit.training.muon import orthogonal

    torch.manual_seed(0)
    for shape in ((3, 16, 40), (2, 40, 16)):
        values = torch.linalg.svdvals(orthogonal(torch.randn(shape)))
        assert values.min() > 0.5 and values.max() < 1.3
    layer = torch.nn.Linear(12, 12, bias=False)
    muon, wanted, x = Muon([layer.weight], lr=0.05), torch.randn(12, 12), torch.randn(64, 12)
    losses = []
    for _ in range(150):
        loss = torch.nn.functional.mse_loss(layer(x), x @ wanted)
        losses.append(loss.item())
        muon.zero_grad()
        loss.backward()
        muon.step()
    assert losses[-1] < 0.05 * losses[0]


def test_muon_takes_hidden_matrices_and_leaves_tables_and_heads(tokenizer):
    from nunbit.training.optimisers import make_optimisers

    words = WordsTask(tiny.build(tokenizer), tokenizer, tiny.class_names())
    stage = Stage(name="s", steps=1, batch=1, lr=1e-3, muon_lr=2e-3)
    adamw, muon = make_optimisers(words.modules(), stage)
    taken = {id(p) for g in muon.param_groups for p in g["params"]}
    left = {id(p) for g in adamw.param_groups for p in g["params"]}
    assert not taken & left and taken | left == {
        id(p) for m in words.modules().values() for p in m.parameters() if p.requires_grad
    }
    assert id(words.model.get_input_embeddings().weight) in left and id(words.eyes.name.weight) in left
    assert id(words.model.model.language_model.layers[0].mlp.up_proj.weight) in taken


def test_lessons_ask_what_they_say(tokenizer):
    lessons = [CurriculumStage(**how) for how in tiny.LESSONS]
    task = WordsTask(tiny.build(tokenizer), tokenizer, tiny.class_names(), lessons=lessons)
    stage = Stage(name="words", steps=3700, batch=8, lr=1e-3)
    for lesson, step in zip(lessons, [0, *(int(x.until) for x in lessons[:-1])], strict=True):
        assert task.lesson(step) is lesson
        owners = task.lessons_of(step, stage)
        assert lesson.old or set(map(id, owners)) == {id(lesson)}
        for drawn, own in zip(task.samples(step, stage), owners, strict=True):
            assert not own.kinds or {q.kind for q in drawn.questions} <= set(own.kinds)
            assert own.korean or {q.language for q in drawn.questions} <= {"en"}
            assert not own.mixture or drawn.picture.domain in own.mixture
            assert not own.short or len(drawn.picture.glyphs) <= own.short or drawn.picture.domain != "writing"
            assert own.imagined < 1 or not drawn.picture.pixels.any()
    assert {k.split("/")[0] for k in tiny.EMPHASIS} <= set(tiny.EVERYTHING["mixture"])


def test_a_name_and_a_colour_stand_near_what_shows_them(tokenizer):
    """Before any training a word is more like the cell of what it names than like any other's, and box and place do not learn."""
    model, names = tiny.build(tokenizer), tiny.class_names()
    task = WordsTask(model, tokenizer, names)
    table = model.get_input_embeddings().weight
    task.eyes.speak(table, tokenizer, tiny.spoken_names(), tiny.spoken_colours())
    truth = {"name": torch.arange(1, 30), "colour": torch.arange(1, 30) % 11 + 1, "glyph": torch.zeros(29, 4, 3, dtype=torch.long),
             "box": torch.rand(29, 4)}  # fmt: skip
    rows = task.eyes.name(truth["name"]) + task.eyes.colour(truth["colour"]) + task.eyes.box(torch.rand(29, 48))
    words = torch.stack([table[torch.tensor(encode_text(names[i], tokenizer))].sum(0) for i in range(1, 30)])
    alike = torch.nn.functional.cosine_similarity(words[:, None], rows[None], dim=-1)
    assert (alike.argmax(1) == torch.arange(29)).float().mean() > 0.9
    assert not any(m.weight.requires_grad for m in (task.eyes.box, task.eyes.row, task.eyes.column))


def test_pieces_add_up_to_the_batch(tokenizer):
    """Loss and gradient of a batch are the sum of its pieces', whatever their size; old lessons come up in later ones."""
    torch.manual_seed(0)
    lessons = (CurriculumStage(until=1, kinds=("count",), imagined=1.0), CurriculumStage(kinds=("attribute",), imagined=1.0, old=0.5))
    task = WordsTask(tiny.build(tokenizer), tokenizer, tiny.class_names(), lessons=lessons, room=150)
    stage = Stage(name="words", steps=9, batch=8, lr=1e-3)
    asked = {q.kind for s in task.samples(3, stage) for q in s.questions}
    assert asked == {"count", "attribute"} and {q.kind for s in task.samples(0, stage) for q in s.questions} == {
        "count"
    }
    batch = task.batch(3, stage)
    assert batch["ids"].shape[1] <= 150
    weight = task.model.model.language_model.layers[0].mlp.up_proj.weight
    seen = []
    for micro in (0, 3):
        pieces = list(task.micro_batches(batch, replace(stage, micro_batch_size=micro)))
        assert len(pieces) == (3 if micro else 1)
        weight.grad = None
        losses = [task.loss(piece)[0] for piece in pieces]
        sum(losses).backward()
        seen.append((float(sum(losses).detach()), weight.grad.clone()))
    assert seen[0][0] == pytest.approx(seen[1][0], abs=1e-5) and torch.allclose(seen[0][1], seen[1][1], atol=1e-6)


def test_matrices_stay_inside_their_radius():
    """However long Muon pushes one way, a matrix keeps its size; what writes into a residual stream is kept smaller."""
    loud, quiet = torch.nn.Linear(6, 6, bias=False), torch.nn.Linear(6, 6, bias=False)
    muon = Muon([loud.weight, quiet.weight], lr=0.5, radius=1.5, quiet={id(quiet.weight)})
    for _ in range(200):
        loud.weight.grad, quiet.weight.grad = torch.eye(6), torch.eye(6)
        muon.step()
    assert float(loud.weight.detach().norm()) == pytest.approx(1.5 * 6**0.5, rel=1e-3)
    assert float(quiet.weight.detach().norm()) < float(loud.weight.detach().norm()) / 2


def test_a_resumed_run_keeps_the_radius_it_began_with():
    weight = torch.nn.Parameter(10 * torch.eye(6))

    def muon():
        return Muon([weight], lr=0.5, radius=1.5)

    first = muon()
    for _ in range(20):
        weight.grad = torch.eye(6)
        first.step()
    assert float(weight.detach().norm()) < 9 * 6**0.5
    again = muon()
    again.load_state_dict(first.state_dict())
    for _ in range(60):
        weight.grad = -torch.eye(6)
        again.step()
    assert float(weight.detach().norm()) == pytest.approx(10 * 6**0.5, rel=1e-3)


def test_answers_are_told_apart_in_a_packed_row():
    rows = torch.tensor([[0, 1, 1, 0, 1, 0], [1, 0, 0, 1, 1, 1]], dtype=torch.bool)
    assert answers_of(rows).tolist() == [0, 0, 1, 2, 3, 3, 3]
