"""Composed models in vLLM by our plugin: are its greedy ids those of our engine?

    make vllm                                      both halves, each in its own environment
    python -m tests.load.vllm_plugin write DIR     here: random models of several connectors, questions, our answers
    python -m tests.load.vllm_plugin check DIR     where vLLM is installed: its answers beside them

``check`` prints a line for each model; it ends with 1 if an id differs, or if nothing was compared.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

CONNECTORS = ("pixel_shuffle", "perceiver", "qformer", "window_qformer")
BLOCKS = {"width": 64, "depth": 2, "heads": 4}
OPTIONS: dict[str, dict[str, Any]] = {
    "perceiver": {"latents": 6},
    "qformer": {"queries": 6} | BLOCKS,
    "window_qformer": {"queries": 2} | BLOCKS,
}
EXAMPLES = Path(__file__).parents[2] / "examples"
TOKENS = 12
ASKED = (("What is it?", [0]), ("그림에 무엇이 있나요?", [1]), ("What is on the menu?", [0, 2]), ("Say something.", []))
"""Questions, each with the pictures that it is about."""
SMALL = "nunbit-small"


def write(root: Path) -> None:
    """Models, pictures, prompts and the ids that our engine answers."""
    from PIL import Image

    from nunbit.models.build import build_model
    from nunbit.models.checkpoint import save
    from nunbit.models.hub import is_here
    from nunbit.models.loading import named_folder
    from nunbit.recipes.debug_set import write_language, write_vision

    root.mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(("cat.jpg", "animals.png", "menu.png")):
        Image.open(EXAMPLES / name).convert("RGB").save(root / f"{i}.png")
    sizes = {"hidden_size": 64, "num_attention_heads": 2, "num_key_value_heads": 2}
    llm, vision = write_language(root / "llm", **sizes), write_vision(root / "vision")
    folders = {}
    for name in CONNECTORS:
        save(*build_model(vision, llm, connector=name, options=OPTIONS.get(name)), root / name)
        folders[name] = str(root / name)
    if is_here(SMALL):
        folders[SMALL] = str(named_folder(SMALL))
    held = {name: {"folder": folder, "cases": cases(folder, root)} for name, folder in folders.items()}
    (root / "cases.json").write_text(json.dumps(held), encoding="utf-8")


def cases(folder: str, root: Path) -> list[dict[str, Any]]:
    """Questions as ids with one token for each picture, the ids that the model reads, and those that it answers."""
    from PIL import Image

    from nunbit.assistant import Assistant
    from nunbit.engine.sampling import SamplingParams
    from nunbit.messages import question

    assistant, out = Assistant(folder), list[dict[str, Any]]()
    engine = assistant.engine()
    builder = engine.runner.preparation.builder
    for text, pictures in ASKED:
        messages = question(text, [Image.open(root / f"{i}.png").convert("RGB") for i in pictures])
        prompt = engine.prepare(messages)
        answer = engine.ask(prompt, SamplingParams(max_tokens=TOKENS, logprobs=2))
        out.append(
            {
                "rendered": builder.build(messages).ids.tolist(),
                "pictures": [f"{i}.png" for i in pictures],
                "prompt": prompt.ids,
                "answer": [t.token for t in answer.tokens],
                "margins": [t.others[0][1] - t.others[1][1] for t in answer.tokens],
            }
        )
    return out


def check(root: Path) -> int:
    """Ask vLLM, print a line for each model; 1 if an id differs or nothing was compared."""
    os.environ |= {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
    held, same, compared = json.loads((root / "cases.json").read_text(encoding="utf-8")), 0, 0
    for name, model in held.items():
        equal = [agrees(case, answer) for case, answer in zip(model["cases"], answers(model, root), strict=True)]
        print(json.dumps({"model": name, "equal": sum(equal), "of": len(equal)}), flush=True)
        same, compared = same + sum(equal), compared + len(equal)
    return int(same != compared or not compared)


def answers(model: dict[str, Any], root: Path) -> list[Any]:
    """vLLM's outputs for the cases of a model."""
    from PIL import Image
    from vllm import LLM, SamplingParams

    llm = LLM(model["folder"], dtype="float32", enforce_eager=True, max_model_len=2048, max_num_seqs=4,
              limit_mm_per_prompt={"image": 2})  # fmt: skip
    prompts: list[Any] = []
    for case in model["cases"]:
        pictures = [Image.open(root / p).convert("RGB") for p in case["pictures"]]
        shown = {"multi_modal_data": {"image": pictures}} if pictures else {}
        prompts.append({"prompt_token_ids": case["rendered"]} | shown)
    return list(llm.generate(prompts, SamplingParams(temperature=0, max_tokens=TOKENS), use_tqdm=False))


def agrees(case: dict[str, Any], output: Any) -> bool:
    """Whether the model read and answered the same ids."""
    read, said = list(output.prompt_token_ids), list(output.outputs[0].token_ids)
    if read != case["prompt"]:
        print(f"another prompt: {read}, wanted {case['prompt']}", flush=True)
    elif said != case["answer"]:
        print(f"other ids: {said}, wanted {case['answer']}, margins {case['margins']}", flush=True)
    return read == case["prompt"] and said == case["answer"]


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(Path(sys.argv[2]))
    else:
        sys.exit(check(Path(sys.argv[2])))
