"""Where a run of the recipe `tiny` loses answers: the same language model on pixels and on an oracle encoder's output.

    python -m tools.oracle_encoder runs/mine [--stage together] [--seed 7] [--limit 420]

The oracle encoder reports the true content of every cell. Right with the oracle and wrong on pixels: the encoder or the
connector is at fault. Wrong with compared: the language model is. Below the table stands the share of things that the
encoder's own read-outs name correctly, in the known styles and in the unseen one.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch

from nunbit.evaluation.tiny_world import WorldItem, items
from nunbit.models.text_encoder import encode_words
from nunbit.perception.cells import DenseHeads, features
from nunbit.recipes.tiny.cells import cells_of
from nunbit.recipes.tiny.encoder import stack, to_pixels
from nunbit.recipes.tiny.joint import JointTask
from nunbit.recipes.tiny.language import OracleTask
from nunbit.recipes.tiny.model import build, load_or_make_tokenizer
from nunbit.recipes.tiny.names import class_names
from nunbit.recipes.tiny.oracle import anchors
from nunbit.recipes.tiny.tokenizer import ASSISTANT, EOS
from nunbit.training.checkpoints import restore
from nunbit.world.base import Picture
from nunbit.world.samples import sample

LONGEST = 60


class Comparison:
    """A run's model, with the tokens of its own encoder or of the oracle encoder."""

    def __init__(self, run: Path, stage: str) -> None:
        self.tokenizer = load_or_make_tokenizer(run)
        self.model, self.names = build(self.tokenizer), class_names()
        self.oracle_task = OracleTask(self.model, self.tokenizer, self.names)
        self.heads = DenseHeads(self.model.model.vision_tower.config.hidden_size, len(self.names))
        if not restore(run / stage, JointTask(self.oracle_task, self.heads, imitate=1.0, dense=1.0).modules()):
            raise SystemExit(f"'{run / stage}' holds no checkpoint; name the folder of a run with that stage")
        self.model.eval()

    def from_pixels(self, picture: Picture) -> torch.Tensor:
        """The connector's tokens ``(C, D)``, C cells of width D."""
        return self.model.model.multi_modal_projector(
            features(self.model.model.vision_tower, to_pixels([picture.pixels]))
        )[0]

    def from_oracle(self, picture: Picture) -> torch.Tensor:
        """The oracle encoder's tokens ``(C, D)``."""
        return self.oracle_task.oracle(stack([cells_of(picture, self.names)]))[0]

    def answer(self, question: str, tokens: torch.Tensor) -> str:
        ids, decoder, table = self.oracle_task.ids, self.model.model.language_model, self.model.get_input_embeddings()
        prompt = [*encode_words(question, self.tokenizer), self.tokenizer.convert_tokens_to_ids(ASSISTANT)]
        head, rest = table(torch.tensor([[ids["<bos>"], ids["<user>"]]])), table(torch.tensor([prompt]))
        out, made = decoder(inputs_embeds=torch.cat([head, tokens[None], rest], 1), use_cache=True), list[int]()
        while len(made) < LONGEST:
            made.append(int(self.model.lm_head(out.last_hidden_state[:, -1]).argmax(-1)))
            if made[-1] == self.tokenizer.convert_tokens_to_ids(EOS):
                break
            out = decoder(
                inputs_embeds=table(torch.tensor([made[-1:]])), past_key_values=out.past_key_values, use_cache=True
            )
        return self.tokenizer.decode(made, skip_special_tokens=True)

    def named(self, split: Any, pictures: int = 120) -> float:
        """Share of things whose middle cell the encoder names rightly."""
        drawn = [sample(i, seed=88, split=split, mixture={"things": 1.0}, questions=0).picture for i in range(pictures)]
        truth = stack([cells_of(p, self.names) for p in drawn])
        found = [
            self.heads(features(self.model.model.vision_tower, to_pixels([p.pixels])))["name"].argmax(-1) for p in drawn
        ]
        middle = anchors(truth["box"], truth["name"]) & (truth["name"] > 0)
        return float((torch.cat(found) == truth["name"])[middle].float().mean())


def picture_of(item: WorldItem, seed: int) -> Picture:
    domain = "things" if item.split == "unseen" else item.domain
    return sample(item.picture, seed=seed, split=item.split, mixture={domain: 1.0}, questions=4).picture


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--stage", default="together")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--limit", type=int, default=420)
    options = parser.parse_args()
    compared, table = Comparison(options.run, options.stage), defaultdict(list)
    tokens: dict[tuple[int, str], tuple[torch.Tensor, torch.Tensor]] = {}
    for item in items(options.seed, options.limit):
        key = item.picture, item.split
        if key not in tokens:
            picture = picture_of(item, options.seed)
            tokens = {key: (compared.from_pixels(picture), compared.from_oracle(picture))}
        right = [item.right(compared.answer(item.qa.question, t)) for t in tokens[key]]
        domain = f"{item.domain} (unseen style)" if item.split == "unseen" else item.domain
        for row in ("all", f"domain: {domain}", f"kind: {item.qa.kind}"):
            table[row].append(right)
    print(f"{'':34}{'n':>6}{'pixels':>9}{'oracle encoder':>15}")
    for row in sorted(table):
        pixels, perfect = (100 * sum(r[i] for r in table[row]) / len(table[row]) for i in (0, 1))
        print(f"{row:34}{len(table[row]):>6}{pixels:>8.1f}%{perfect:>14.1f}%")
    for split, called in (("test", "known styles"), ("unseen", "unseen style")):
        print(f"things named by the encoder, {called}: {100 * compared.named(split):.1f}%")


if __name__ == "__main__":
    main()
