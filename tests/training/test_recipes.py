"""The recipes `llava_next` and `flamingo`: they run, resume, plan, and what they write opens and answers."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from tests.families import language, vision

from nunbit.data.conversations import encode, read_conversations
from nunbit.errors import UserError
from nunbit.messages import question
from nunbit.models.assistant import Assistant
from nunbit.models.compose import file_tokens
from nunbit.models.prompt import Renderer
from nunbit.recipes import copy, flamingo, llava_next, load, names, source
from nunbit.training.debug_set import write_conversations
from nunbit.training.flamingo import FlamingoTask, build_flamingo, pictures_seen
from nunbit.training.loop import Stage, train
from nunbit.training.multimodal import ConversationTask, freeze
from nunbit.training.optimisers import make_optimisers
from nunbit.training.planning import make_plan
from nunbit.training.stages import build_model
from nunbit.world.samples import sample

QUIET = {"say": lambda _: None}


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Settings that name a small encoder, a small language model, and talks of two pictures each, of several shapes."""
    root = tmp_path_factory.mktemp("parts")
    talks = write_conversations(root / "talks", samples=8, pictures=2)
    for i, path in enumerate(sorted((root / "talks").glob("*.png"))):
        Image.open(path).resize([(192, 192), (192, 50), (60, 170)][i % 3]).save(path)
    return [f"model.llm={language('qwen3', root / 'llm')}", f"model.vision={vision('siglip', root / 'eyes')}", f"data={talks}"]


@pytest.mark.parametrize("name", ["llava_next", "flamingo"])
def test_the_debug_run_ends_with_a_model_that_answers(name, tmp_path):
    recipe = load(name)
    assert name in names()
    done = recipe.configure(["debug=true"])
    out = recipe.run(done, tmp_path / "run", **QUIET)
    first = {p.name: p.read_bytes() for p in out.glob("*.safetensors")}
    assert first and sorted(p.parent.name for p in (tmp_path / "run").glob("*/last.pt")) == sorted(done.phases())
    assert recipe.run(done, tmp_path / "run", **QUIET) == out
    assert {p.name: p.read_bytes() for p in out.glob("*.safetensors")} == first
    talks = [question("What is this?", [sample(i, seed=1).picture.pixels for i in range(n)]) for n in (2, 1, 0)]
    answers = Assistant(out).ask_many(talks, max_new_tokens=3)
    assert len(answers) == 3


@pytest.mark.parametrize("name", names())
def test_a_copy_is_the_recipe(name, tmp_path):
    path = str(copy(name, tmp_path / "mine.py"))
    mine = load(path)
    assert source(path) == source(name) and callable(mine.run)
    if hasattr(mine, "configure"):
        assert mine.configure(["debug=true"]) == load(name).configure(["debug=true"])
    else:
        assert mine.STAGES == load(name).STAGES


def test_what_is_no_recipe_is_named(tmp_path):
    (tmp_path / "x.py").write_text("STAGES = {}\n")
    for name, says in ((tmp_path / "x.py", "is no recipe"), (tmp_path / "y.py", "is no file"), ("llava51", "llava15")):
        with pytest.raises(UserError, match=says):
            load(str(name))


def encoded(parts, processor, tokens):
    renderer = Renderer(processor.tokenizer, processor.chat_template, image_token=processor.image_token)
    data = Path(parts[2].removeprefix("data="))
    return encode(read_conversations(data), renderer, tokens, max_tokens=100_000)[0]


def test_next_its_loss_is_transformers_own_over_pictures_of_many_shapes(parts):
    done = llava_next.configure(parts)
    model, processor = build_model(done.model)
    freeze(model, {"vision": 1.0, "connector": 1.0, "language": 1.0})
    samples = encoded(parts, processor, file_tokens(model.config))
    task = ConversationTask(model, processor.image_processor, samples, pad=0, ordered=True)
    batch = task.batch(0, Stage(name="x", steps=1, batch=6, lr=1.0))
    assert batch["pixels"].ndim == 5 and len({tuple(s) for s in batch["sizes"].tolist()}) > 1
    labels = torch.full_like(batch["labels"], -100)
    labels[:, 1:] = batch["labels"][:, :-1]
    model.eval()
    ours, _ = task.loss(batch)
    with torch.no_grad():
        theirs = model(input_ids=batch["ids"], pixel_values=batch["pixels"], image_sizes=batch["sizes"],
                       attention_mask=batch["mask"].long(), labels=labels).loss  # fmt: skip
    assert float(ours.detach()) == pytest.approx(float(theirs), rel=1e-5)
    ours.backward()
    assert model.model.image_newline.grad.abs().sum() > 0
    cut = sum(task.loss(piece)[0].item() for piece in task.micro_batches(batch, Stage(name="x", steps=1, batch=6, lr=1.0, micro_batch_size=2)))
    assert cut == pytest.approx(float(theirs), rel=1e-5)


def test_next_words_alone_reach_the_whole_connector(parts):
    model, processor = build_model(llava_next.configure(parts).model)
    freeze(model, {"connector": 1.0})
    samples = [s for s in encoded(parts, processor, file_tokens(model.config)) if not s.images]
    task = ConversationTask(model, processor.image_processor, samples, pad=0)
    task.loss(task.batch(0, Stage(name="x", steps=1, batch=2, lr=1.0)))[0].backward()
    learning = [p for p in model.parameters() if p.requires_grad]
    assert len(learning) == 5 and all(p.grad is not None and not p.grad.any() for p in learning)


def test_next_an_adapter_merges(parts, tmp_path):
    pytest.importorskip("peft")
    from nunbit.training.adapters import merge

    changes = ["lora.rank=4", "stages=tune", "tune.vision_lr=0", "tune.language_lr=1e-2", "tune.steps=1", "tune.batch=2"]
    folder = llava_next.run(llava_next.configure([*parts, *changes]), tmp_path / "run", **QUIET)
    assert merge(folder, tmp_path / "merged") < 1e-3


def flamingo_task(parts, *changes, **how):
    done = flamingo.configure([*parts, *changes])
    done = replace(done, flamingo=done.small(Path("unused")).flamingo)
    model, processor = build_flamingo(done)
    return FlamingoTask(model, processor, encoded(parts, processor, 1), p_next=done.p_next, **how)


def test_flamingo_its_loss_is_the_language_models_own(parts):
    task = flamingo_task(parts, ordered=True)
    stage = Stage(name="x", steps=1, batch=6, lr=1.0)
    batch = task.batch(0, stage)
    assert len(batch["pixels"]) > 6 and "index" not in batch
    labels = torch.full_like(batch["labels"], -100)
    labels[:, 1:] = batch["labels"][:, :-1]
    with torch.no_grad():
        ours = task.loss(batch)[0].item()
        theirs = task.model(batch["ids"], batch["mask"].long(), batch["pixels"], labels=labels).loss.item()
        cut = sum(task.loss(piece)[0].item() for piece in task.micro_batches(batch, replace(stage, micro_batch_size=2)))
    assert ours == pytest.approx(theirs, rel=1e-5) and cut == pytest.approx(theirs, rel=1e-5)


def test_flamingo_learns_what_joins_and_nothing_else(parts, tmp_path):
    task = flamingo_task(parts)
    before = {n: p.clone() for n, p in task.model.named_parameters()}
    phase = flamingo.configure([*parts, "mixture.connector_lr=1e-2", "mixture.batch=4", "mixture.steps=3"]).mixture
    stage = phase.stage("mixture", 3, 0)
    decays = {g["weight_decay"] for g in make_optimisers(task.modules(), stage)[0].param_groups}
    assert decays == {0.0, 0.1}
    train(task, stage, tmp_path, **QUIET)
    moved = {n.split(".")[0] for n, p in task.model.named_parameters() if not torch.equal(before[n], p)}
    assert moved == {"connector", "marker"}
    still = [n for n, p in task.model.named_parameters() if n.startswith("connector") and torch.equal(before[n], p)]
    assert not [n for n in still if "gate" in n or "latents" in n], still


def test_flamingo_words_alone_leave_a_gradient_everywhere(parts):
    task = flamingo_task(parts)
    task.samples = [s for s in task.samples if not s.images]
    batch = task.batch(0, Stage(name="x", steps=1, batch=2, lr=1.0))
    task.loss(batch)[0].backward()
    assert all(p.grad is not None for m in task.modules().values() for p in m.parameters())


def test_flamingo_a_piece_without_answers_counts_nothing(parts):
    """What a process of a distributed run is given when there are fewer pieces than processes."""
    task = flamingo_task(parts)
    batch = task.batch(0, Stage(name="x", steps=1, batch=4, lr=1.0))
    loss, _ = task.loss(batch | {"labels": torch.full_like(batch["labels"], -100)})
    loss.backward()
    grads = [p.grad for m in task.modules().values() for p in m.parameters()]
    assert float(loss) == 0.0 and all(g is None or not g.any() for g in grads)


def test_flamingo_words_see_the_last_picture_or_the_next(parts):
    image = torch.tensor([[0, 1, 0, 0, 1, 0], [0, 0, 0, 0, 0, 0], [0, 1, 0, 0, 1, 0]]).bool()
    seen = pictures_seen(image, torch.tensor([False, True, True]))
    assert seen.tolist() == [[0, 1, 1, 1, 2, 2], [0, 0, 0, 0, 0, 0], [1, 1, 2, 2, 2, 2]]
    task = flamingo_task(parts, "p_next=0.5")
    stage = Stage(name="x", steps=1, batch=8, lr=1.0, micro_batch_size=3)
    batch = task.batch(0, stage)
    last = (batch["ids"] == task.image_id).cumsum(1)
    rows = (batch["index"] != last).any(1)
    assert rows.any() and not rows.all()
    assert torch.equal(batch["index"], task.batch(0, stage)["index"])
    assert all(torch.isfinite(task.loss(piece)[0]) for piece in task.micro_batches(batch, stage))


@pytest.mark.parametrize("name", ["llava_next", "flamingo"])
def test_the_plan_counts_what_the_run_learns(name, parts):
    done = load(name).configure(parts)
    if name == "flamingo":
        done = replace(done, flamingo=done.small(Path("unused")).flamingo)
    counts, stages = make_plan(done, done.phases(), 1e10)
    if name == "flamingo":
        model, _ = build_flamingo(done)
        learnt = {k: sum(p.numel() for p in m.parameters()) for k, m in model.learnt().items()}
        assert stages[0].learns == learnt
        assert counts == learnt | {k: sum(p.numel() for p in getattr(model, k).parameters()) for k in ("vision", "language")}
    else:
        model, _ = build_model(done.model)
        assert sum(counts.values()) == sum(p.numel() for p in model.parameters())
        assert [set(s.learns) for s in stages] == [{"connector"}, {"vision", "connector", "language"}]
    assert all(s.operations > 0 and s.tokens > 0 for s in stages)


@pytest.mark.parametrize("name, changes", [
    ("flamingo", []), ("flamingo", ["debug=true", "lora.rank=4"]), ("flamingo", ["debug=true", "mixture.language_lr=1e-5"]),
    ("flamingo", ["debug=true", "mixture.pack=64"]), ("flamingo", ["debug=true", "p_next=2"]), ("flamingo", ["model.base=/nowhere", "data=x"]),
    ("flamingo", ["debug=true", "mixture.schedule=round"]), ("llava_next", []), ("llava_next", ["debug=true", "model.tiles=0x1"]),
    ("llava_next", ["model.base=a", "model.llm=b"]), ("llava_next", ["model.llm=a", "model.vision=b"]),
])  # fmt: skip
def test_what_cannot_be_is_said(name, changes, tmp_path):
    recipe = load(name)
    with pytest.raises(UserError):
        recipe.run(recipe.configure(changes), tmp_path, **QUIET)
