"""A small LLaVA on two files of conversations, for tests of tasks, mixtures and evaluation."""

from nunbit.models.image_tokens import token_counter
from nunbit.models.prompt import PromptBuilder
from nunbit.recipes import llava15
from nunbit.recipes.debug_set import write_conversations, write_language, write_vision
from nunbit.training.distributed import ALONE
from nunbit.training.multimodal import ConversationTask, freeze
from nunbit.training.stage import Stage
from nunbit.training.stages import build_model, load_samples

RATES = {"connector": 1e-3, "language": 1e-3}
STAGE = Stage(name="x", steps=6, batch=4, lr=1e-3, part_lr=RATES, micro_batch_size=2, warmup=0, save_every=2)


def write_world(root):
    """Folder of models, and a mixture of two files with weights."""
    one, two = write_conversations(root / "one", samples=9), write_conversations(root / "two", samples=5, seed=1)
    write_language(root / "llm")
    write_vision(root / "vision")
    return root, f"{one}:1.0,{two}:0.2"


def configured(world, *more):
    root, data = world
    changes = [
        f"model.llm={root / 'llm'}",
        f"model.vision={root / 'vision'}",
        f"data={data}",
        "stages=tune",
        "tune.batch=4",
    ]
    changes += [
        "tune.micro_batch_size=2",
        "tune.steps=6",
        "tune.warmup=0",
        "tune.save_every=2",
        "tune.language_lr=1e-3",
    ]
    return llava15.configure([*changes, *more])


def task_of(world, rates=RATES, **how):
    done = configured(world)
    model, processor = build_model(done.model)
    freeze(model, rates)
    builder = PromptBuilder.from_processor(processor, token_counter(model.config))
    phase, folder = done.phases()["tune"], world[0] / "stage"
    data = load_samples(phase, builder, 4096, model.config, folder, ALONE, lambda _: None)
    how = {"pad": processor.tokenizer.pad_token_id, "processor": processor} | data.mixture() | how
    return ConversationTask(model.float(), processor.image_processor, data.samples, **how)
