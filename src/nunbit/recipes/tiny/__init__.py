"""The recipe of the embedded model `nunbit-tiny`: everything about it is in this file and `tiny_parts.py`.

Six stages, each resumable, each a folder under the run's folder:
  eyes      the encoder alone on per-cell truth (pixels -> class, colour, box, characters)
  words     the LM alone on what perfect eyes would report (no pixels); may run beside "eyes" as a process of its own
  connect   encoder and connector learn to say what perfect eyes would say; the LM is not there yet
  together  everything on pixels, loss on the answers
  told      the LM alone learns to take what is said of a picture in words (`verbalise.transcribe`); here the LLaVA is done
  aware     crayon and mixer over the Scenes of its own eyes, the LLaVA frozen
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nunbit.errors import check_names
from nunbit.training.loop import Stage

STAGES = {
    "eyes": Stage(name="eyes", steps=3000, batch=24, micro_batch_size=12, lr=1.5e-3, muon_lr=4e-3, decay=0.3),
    "words": Stage(
        name="words", steps=5400, batch=24, micro_batch_size=6, lr=3e-3, muon_lr=1e-2, radius=1.5, warmup=20, decay=0.65, seed=1
    ),
    "connect": Stage(
        name="connect",
        steps=1700,
        batch=24,
        micro_batch_size=12,
        lr=1e-3,
        muon_lr=3e-3,
        warmup=20,
        decay=0.7,
        seed=2,
        save_every=50,
    ),
    "together": Stage(
        name="together",
        steps=1300,
        batch=16,
        micro_batch_size=8,
        lr=3e-4,
        muon_lr=1.5e-3,
        radius=1.5,
        warmup=15,
        decay=0.8,
        seed=3,
        save_every=50,
    ),
    "told": Stage(
        name="told",
        steps=1500,
        batch=16,
        micro_batch_size=4,
        lr=3e-4,
        muon_lr=2e-3,
        radius=1.5,
        warmup=15,
        decay=0.8,
        seed=5,
        save_every=50,
    ),
    "aware": Stage(
        name="aware",
        steps=300,
        batch=16,
        micro_batch_size=4,
        lr=3e-3,
        muon_lr=5e-3,
        radius=1.5,
        warmup=20,
        decay=0.6,
        seed=4,
        save_every=50,
    ),
}
CRAYON: dict[str, Any] = {"rank": 16, "dropout": 0.0}
WORDS_TOKENS = 400
"""Said of a picture at most: what is longer is longer than anything it was trained on."""
MIXER: dict[str, Any] = {"latents": 16, "depth": 2, "heads": 4, "head_dim": 32, "rank": 16, "every": 2}
EMPHASIS = {
    "things/count": 1.3, "things/locate": 1.3, "things/describe": 1.2, "things/exists": 0.5, "things/attribute": 0.4, "things/relation": 0.6,
    "things/compare": 0.6, "things/order": 0.7, "writing/read": 3.0, "writing/attribute": 0.2, "writing/count": 0.6, "documents/lookup": 2.4,
    "documents/compare": 1.2, "documents/read": 1.2, "documents/order": 1.2, "documents/count": 0.5, "documents/describe": 0.1,
    "charts/compare": 1.7, "charts/attribute": 1.2, "charts/lookup": 1.2, "charts/read": 0.3, "charts/count": 0.3, "charts/describe": 0.1,
    "puzzles/lookup": 1.5, "puzzles/order": 1.2, "puzzles/read": 1.3, "puzzles/describe": 0.1, "puzzles/count": 0.6, "puzzles/compare": 0.4,
    "panels/lookup": 1.2, "panels/count": 0.15, "panels/exists": 0.15, "panels/describe": 0.1,
}  # fmt: skip
"""What is easy is asked less often than what is not."""
EVERYTHING: dict[str, Any] = {
    "imagined": 0.25, "empty": 0.03, "cells": 2.5, "emphasis": EMPHASIS,
    "mixture": {"things": 0.28, "writing": 0.22, "documents": 0.19, "charts": 0.14, "puzzles": 0.12, "panels": 0.05},
}  # fmt: skip
_THINGS: dict[str, Any] = {"mixture": {"things": 1.0}, "imagined": 1.0, "empty": 0.02, "cells": 2.0}
LESSONS: tuple[dict[str, Any], ...] = (
    {"until": 350, **_THINGS, "kinds": ("attribute",), "korean": 0.0, "empty": 0.0, "cells": 1.5},
    {"until": 750, **_THINGS, "kinds": ("attribute", "exists", "locate")},
    {"until": 1000, "kinds": ("read", "attribute", "locate", "exists"), "mixture": {"writing": 1.0}, "short": 7, "empty": 0.02, "cells": 2.0,
     "old": 0.35},
    {"until": 1250, **_THINGS, "kinds": ("relation", "compare", "order", "count"), "old": 0.4},
    {"until": 1450, "kinds": ("lookup", "compare", "order", "exists", "read", "count"), "mixture": {"documents": 1.0}, "empty": 0.02,
     "cells": 2.0, "old": 0.4},
    EVERYTHING,
)  # fmt: skip
"""The LM begins with the colours of a few imagined things, in one language: names bind to what is seen within some 150 steps there. Then
places, short words, two things at once, documents, each with some of what came before; the most of the time goes to everything."""


def class_names() -> list[str]:
    """What an encoder cell can hold, position 0 being nothing."""
    from nunbit.world import panels, puzzles, things

    steps = [f"{script} step {i + 1}" for script, (_, n, _) in panels.SCRIPTS.items() for i in range(n)]
    return ["", *things.names(), "bar", "point", "sector", "board", *steps, *puzzles.HOUR_HANDS, *puzzles.MINUTE_HANDS]


def spoken_names() -> list[list[str]]:
    """What each class of `class_names` is called, in English and Korean; an hour hand is called its hour."""
    from nunbit.world import puzzles, things

    called = {n: [n, korean] for n, (_, korean) in things.names().items()} | {n: [n] for n in ("bar", "point", "sector", "board")}
    called |= {n: [n.split()[-1]] for n in puzzles.HOUR_HANDS}
    return [called.get(n, []) for n in class_names()]


def speak(aware: Any) -> None:
    """Let the crayon's rows begin as what their classes are called."""
    from nunbit.models.chat import encode_text

    called, tokenizer = dict(zip(class_names(), spoken_names(), strict=True)), aware.processor.tokenizer
    rows = [[i for word in called.get(n, []) for i in encode_text(word, tokenizer)] for n in aware.config.classes]
    aware.connectors["crayon"].init_from_word_embeddings(aware.model.get_input_embeddings().weight, rows)


def called() -> dict[str, dict[str, str]]:
    """What things and colours are called in Korean, for what is told in words."""
    from nunbit.world import things
    from nunbit.world.base import COLOURS

    return {"ko": {n: korean for n, (_, korean) in things.names().items()} | {c: v[0] for c, v in COLOURS.items()}}


def spoken_colours() -> list[list[str]]:
    from nunbit.perception.cells import COLOUR_NAMES
    from nunbit.world.base import COLOURS

    return [[c, COLOURS[c][0]] if c in COLOURS else [] for c in COLOUR_NAMES]


def make_tokenizer(pictures: int = 3000, most: int = 1500) -> Any:
    """Whole-word tokens from what the question makers say, less what is merely copied off the picture."""
    from nunbit.models.tokenizer import build_tokenizer, words_of
    from nunbit.world import things
    from nunbit.world.samples import sample

    counts: Counter[str] = Counter()
    for i in range(pictures):
        drawn = sample(i, seed=0, questions=99)
        copied = {w for t in drawn.picture.scene.text_lines for w in words_of(t.text)}
        for qa in drawn.questions:
            if drawn.picture.domain == "writing" and qa.kind in ("read", "exists"):
                continue  # these quote strings at random
            counts.update(w for w in words_of(f"{qa.question} {qa.answer}") if w not in copied)
    parts = [w for pair in (v for v in things.names().values()) for text in pair for w in words_of(text)]
    parts += [w for n in things.names() for w in words_of(n)]
    common = [w for w, n in counts.most_common(most) if n >= 25 and (len(w) > 1 or "가" <= w <= "힣" or w == "a")]
    korean = [v[1] for v in things.names().values()]
    return build_tokenizer(dict.fromkeys([*parts, *common]), korean)


def build(tokenizer: Any) -> Any:
    """The untrained model."""
    import torch

    from nunbit.models.compose import compose_llava
    from nunbit.recipes.tiny.parts import PATCH_PX, loud_words, match_by_likeness, text_config, vision_config
    from nunbit.world.base import SIZE_PX

    torch.manual_seed(0)
    model = compose_llava(vision_config(), text_config(tokenizer), tokenizer, image_size_px=SIZE_PX, patch_px=PATCH_PX)
    loud_words(model.model.language_model)
    match_by_likeness(model.model.language_model)
    return model


def run(folder: str | Path, stages: Sequence[str] = tuple(STAGES), *, minutes: float = float("inf"), debug: bool = False, device: str = "cpu", workers: int = 0,
        say: Callable[[str], None] = print, track: Sequence[str] = (), **changes: Any) -> Path:  # fmt: skip
    """Train the named stages in the folder, each from its own last checkpoint; the model is saved after the last one.

    Args:
        minutes: at most so long a stage.
        device, workers, track: see `nunbit.training.loop.train`.
        debug: two tiny steps a stage: shows that everything runs.
        changes: fields of `Stage` to override, for every stage named.
    """
    folder = Path(folder)
    check_names("stage", stages, STAGES)
    small: dict[str, Any] = {"steps": 2, "batch": 2} if debug else {}
    for name in stages:
        stage = replace(STAGES[name], **(small | changes))
        _train_stage(folder, stage, dict(say=say, minutes=minutes, device=device, workers=workers, track=track))
    return folder


def _train_stage(folder: Path, stage: Stage, how: dict[str, Any]) -> None:
    from nunbit.perception.cells import DenseHeads
    from nunbit.recipes.tiny.encoder import EncoderTask
    from nunbit.recipes.tiny.language import CurriculumStage, TogetherTask, WordsTask
    from nunbit.training.checkpoints import restore
    from nunbit.training.loop import train

    if stage.name in ("told", "aware"):
        (_train_told if stage.name == "told" else _train_aware)(folder, stage, how)
        return
    tokenizer = _tokenizer(folder)
    model, names = build(tokenizer), class_names()
    if stage.name == "eyes":
        train(EncoderTask(model.model.vision_tower, names), stage, folder / "eyes", **how)
        return
    drawn = EVERYTHING | {"imagined": 0.0}  # pixels are needed after the words
    lessons = [CurriculumStage(**how) for how in (LESSONS if stage.name == "words" else (drawn,))]
    many, room = {"words": (18, 230), "connect": (1, 0)}.get(stage.name, (12, 0))
    words = WordsTask(model, tokenizer, names, questions=many, lessons=lessons, room=room)
    words.eyes.speak(model.get_input_embeddings().weight, tokenizer, spoken_names(), spoken_colours())
    if stage.name == "words":
        train(words, stage, folder / "words", **how)
        return
    heads = DenseHeads(model.model.vision_tower.config.hidden_size, len(names))
    restore(folder / "eyes", {"vision": model.model.vision_tower, "heads": heads})
    restore(folder / "words", words.modules())
    last = stage.name == "together"
    task = TogetherTask(words, heads, imitate=0.2 if last else 1.0, dense=0.3, lm=last)
    if last and not (folder / "together" / "last.pt").exists():
        restore(folder / "connect", task.modules())
    train(task, stage, folder / stage.name, **how)
    if last:
        export(model.cpu(), tokenizer, folder / "model", heads.cpu())


def _train_told(folder: Path, stage: Stage, how: dict[str, Any]) -> None:
    """A third of the pictures stay untold, so that nothing is forgotten; of the others a half is shown without detail, or the words would
    say nothing that is not seen already. Scenes are true ones and those of its own eyes, mistakes included."""
    from nunbit.models.compose import open_native, save
    from nunbit.models.object_aware.module import ObjectAwareConfig, ObjectAwareModule
    from nunbit.perception import Perception
    from nunbit.perception.build import PerceptionConfig
    from nunbit.perception.cells import CellPerception
    from nunbit.recipes.tiny.object_aware import LanguageTask
    from nunbit.training.loop import train
    from nunbit.training.multimodal import freeze

    model, processor = open_native(folder / "model")
    freeze(model, {"language": 1.0})
    eyes = Perception(panoptic=CellPerception.from_pretrained(folder / "model", read=True))
    aware = ObjectAwareModule(model.float(), processor, ObjectAwareConfig(connectors={}, words="plain", called=called(), words_tokens=WORDS_TOKENS, eyes=PerceptionConfig(ocr=False)), eyes)
    task = LanguageTask(aware, truth=0.5, told=0.65, blurred=0.5, mixture=EVERYTHING["mixture"], emphasis=EMPHASIS)
    train(task, stage, folder / stage.name, **how)
    save(model.eval().cpu(), processor, folder / "model")


def _train_aware(folder: Path, stage: Stage, how: dict[str, Any]) -> None:
    """Only the connectors learn, and begin silent: the model without them stays what it is, for any other program."""
    import torch

    from nunbit.models.compose import open_native
    from nunbit.models.object_aware.module import ObjectAwareConfig, ObjectAwareModule
    from nunbit.perception import GeometricRelations, Perception
    from nunbit.perception.build import PerceptionConfig
    from nunbit.perception.cells import CellPerception
    from nunbit.recipes.tiny.object_aware import WorldTask
    from nunbit.training.loop import train

    model, processor = open_native(folder / "model")
    cells = CellPerception.from_pretrained(folder / "model", read=True)
    classes, eyes = tuple(cells.names[1:]), Perception(panoptic=cells, relations=GeometricRelations())
    config = ObjectAwareConfig(connectors={"crayon": CRAYON | {"classes": len(classes)}, "moai": MIXER}, classes=classes, maps=False,
                         eyes=PerceptionConfig(ocr=False))  # fmt: skip
    aware = ObjectAwareModule(model.float().requires_grad_(False), processor, config, eyes)
    speak(aware)
    task = WorldTask(aware, truth=0.0, mixture=EVERYTHING["mixture"], emphasis=EMPHASIS)
    train(task, stage, folder / stage.name, **how)
    aware.save(folder / "model", torch.float16)


def export(model: Any, tokenizer: Any, folder: Path, heads: Any = None) -> None:
    """Write the model in its native form, and beside it the encoder's read-outs, if given."""
    from nunbit.models.compose import make_processor, save
    from nunbit.perception.cells import save_heads
    from nunbit.recipes.tiny.parts import PATCH_PX
    from nunbit.world.base import SIZE_PX

    model.requires_grad_(True)
    save(model.eval(), make_processor(tokenizer, image_size_px=SIZE_PX, patch_px=PATCH_PX), folder)
    if heads is not None:
        save_heads(heads, class_names(), folder)


def _tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    path = folder / "tokenizer"
    if not (path / "tokenizer.json").exists():
        make_tokenizer().save_pretrained(path)
    return AutoTokenizer.from_pretrained(path)
