"""Object-aware models: a native LLaVA whose decoder is also told what is where, by Scenes and the layer connectors `crayon` and `moai`.

The LLaVA stays as it is on disk, in its native form; beside it lie ``aware.json`` (what is told, and how) and ``aware.safetensors`` (the
connectors). Without those two the folder is a LLaVA like any other. No perception lives here: Scenes come in from outside.

Letters: B rows, T tokens, P pictures, N tokens a picture, A aux tokens, D width of the decoder.
"""

from __future__ import annotations

import json
import math
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nunbit.coco import CLASS_INDEX, NUMBER_MAX
from nunbit.connectors import ConnectorConfig, build
from nunbit.connectors.prefill import PrefillConnector
from nunbit.crayon_map import colour_map, crayon_map
from nunbit.errors import UserError, unknown_name
from nunbit.files import whole, write_text
from nunbit.media import content_hash
from nunbit.messages import Message, Part
from nunbit.models.compose import image_tokens, picture_tokens
from nunbit.models.shapes import check_shapes
from nunbit.perception.build import PerceptionConfig, build_perception
from nunbit.scene import Scene
from nunbit.verbalise import moai_text, object_list, transcribe

CONFIG, WEIGHTS = "aware.json", "aware.safetensors"
KINDS = ("crayon", "moai")
WORDS = ("", "objects", "plain")
MOST_ITEMS = (40, 30, 24, 18, 14, 11, 8, 6, 4, 3, 2, 1)
QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|「[^」]*」")
SCENE_BYTES = 32 << 20
Eyes = Callable[[Sequence[Any]], list[Scene]]
"""PIL pictures -> Scenes: a `nunbit.perception.Perception`, with a cache where pictures come again."""


@dataclass(frozen=True, kw_only=True)
class ObjectAwareConfig:
    """What is told.

    Attributes:
        connectors: config fields of each layer connector by its name, `KINDS`; none: the model is plain.
        classes: names of the crayon's classes, from row 1 on; COCO's 133 panoptic ones if empty.
        maps: the compressor also sees the panoptic colour picture through the model's own eyes, as in MoAI.
        aux_tokens: of the verbalised Scene at most so many reach the compressor.
        words: what is also said in the question's turn: "" nothing, "objects" CoLLaVO's numbered list, "plain" `verbalise.transcribe`.
        called: what names and colours are called in other languages than English, by the language's code ("ko"): a question in one of them is
            told in it.
        words_tokens: and in how many tokens a picture at most; what finds no room is counted, or left out.
        eyes: where Scenes come from when nobody gives one.
    """

    connectors: dict[str, dict[str, Any]]
    classes: tuple[str, ...] = ()
    maps: bool = True
    aux_tokens: int = 512
    words: str = ""
    called: dict[str, dict[str, str]] = field(default_factory=dict)
    words_tokens: int = 1024
    eyes: PerceptionConfig = PerceptionConfig()


class ObjectAwareModule:
    """The layer connectors of one model, and how Scenes become what they see.

    Args:
        model: a native LLaVA; its decoder gets the connectors' hooks. Its weights are not touched.
        processor: its processor, for the words and the colour picture.
        eyes: what looks at pictures whose Scene nobody gave, in place of the config's choice.
    """

    def __init__(self, model: Any, processor: Any, config: ObjectAwareConfig, eyes: Eyes | None = None) -> None:
        for name in config.connectors:
            if name not in KINDS:
                raise UserError(f"the layer connector '{name}'", allowed=", ".join(KINDS))
        self.model, self.processor, self.config = model, processor, config
        self.perception: Eyes = eyes or build_perception(config.eyes)
        self.connectors: dict[str, PrefillConnector] = {
            name: hang(name, values, model).to(next(model.parameters()).device)
            for name, values in config.connectors.items()
        }
        side = math.isqrt(image_tokens(model.config))
        self.grid = (side, side)
        self.classes: Mapping[str, int] = {n: i for i, n in enumerate(config.classes, 1)} or CLASS_INDEX
        self._scenes: OrderedDict[str, Scene] = OrderedDict()
        self._looking = threading.Lock()

    @property
    def tells(self) -> bool:
        """Whether Scenes reach the decoder at all."""
        return bool(self.connectors or self.config.words)

    def perceive(self, pictures: Sequence[Any]) -> list[Scene]:
        """Scenes of PIL pictures. Those of late are remembered, since the next question is often about the same picture; perception is the
        costliest guest, so one caller at a time."""
        names = [content_hash(p) for p in pictures]
        with self._looking:
            new = {n: p for n, p in zip(names, pictures, strict=True) if n not in self._scenes}
            self._scenes.update(zip(new, self.perception(list(new.values())) if new else [], strict=True))
            for n in names:
                self._scenes.move_to_end(n)
            found = [self._scenes[n] for n in names]
            while len(self._scenes) > 1 and sum(map(_size, self._scenes.values())) > SCENE_BYTES:
                self._scenes.popitem(last=False)
        return found

    def spoken(self, messages: Sequence[Message], scenes: Sequence[Scene]) -> list[Message]:
        """The conversation with what ``words`` says of each picture right after it."""
        if not self.config.words:
            return list(messages)
        left = iter(scenes)
        return [replace(m, parts=tuple(said for p in m.parts for said in self._said(p, left, language_of(m)))) for m in messages]

    def _said(self, part: Part, scenes: Iterator[Scene], language: str) -> list[Part]:
        if part.kind != "image":
            return [part]
        words = self.in_words(next(scenes), language)
        return [part, Part.text(words + "\n")] if words else [part]

    def in_words(self, scene: Scene, language: str = "en") -> str:
        """What is said of a picture, with as many of its things as have room; in English where the language has no names."""
        known = self.config.called.get(language)
        for most in MOST_ITEMS:
            words = in_words(scene, self.config.words, most, language if known else "en", known)
            if len(self.processor.tokenizer(words, add_special_tokens=False)["input_ids"]) <= self.config.words_tokens:
                return words
        return ""

    def look(self, inputs: Mapping[str, Tensor], scenes: Sequence[Scene], owner: Sequence[int]) -> None:
        """`tell` the connectors about a prompt.

        Args:
            inputs: the processor's ``input_ids`` and ``attention_mask``, with the pictures' tokens in place.
            scenes: of the prompt's pictures, in order; owner: the row of each.
        """
        image = inputs["input_ids"] == self.model.config.image_token_id
        signals = {k: v.to(image.device) for k, v in self.signals(scenes).items()}
        self.tell(signals, image, inputs["attention_mask"].bool() & ~image, torch.tensor(owner, device=image.device))

    def modules(self) -> dict[str, nn.Module]:
        return dict(self.connectors)

    def signals(self, scenes: Sequence[Scene]) -> dict[str, Tensor]:
        """What Scenes say, as tensors: ``semantic``, ``numbering`` (P, N) for the crayon; ``aux_ids``, ``aux_mask`` (P, A) and, with
        ``maps``, ``aux_pixels`` (P, 3, H, W) for MoAI."""
        out: dict[str, Tensor] = {}
        if "crayon" in self.connectors:
            grids = [crayon_map(self._squared(s), self.grid, classes=self.classes) for s in scenes]
            rows: Any = self.connectors["crayon"]
            for name, most in (("semantic", rows.config.classes), ("numbering", rows.config.numbers)):
                cells = np.stack([getattr(g, name).ravel() for g in grids]) if grids else np.zeros((0, 1), np.int64)
                out[name] = torch.from_numpy(np.where(cells <= most, cells, 0 if name == "semantic" else most))
        if "moai" in self.connectors:
            ids = [self._words(moai_text(s)) for s in scenes]
            width = max(map(len, ids), default=1) or 1
            out["aux_ids"], out["aux_mask"] = (
                torch.zeros(len(ids), width, dtype=torch.long),
                torch.zeros(len(ids), width, dtype=torch.bool),
            )
            for i, row in enumerate(ids):
                out["aux_ids"][i, : len(row)], out["aux_mask"][i, : len(row)] = (
                    torch.tensor(row, dtype=torch.long),
                    True,
                )
            if self.config.maps and scenes:
                blank = [np.zeros((s.height, s.width), np.int64) for s in scenes]
                pictures = [
                    colour_map(b if s.segment_map is None else s.segment_map)
                    for s, b in zip(scenes, blank, strict=True)
                ]
                out["aux_pixels"] = self.processor.image_processor(pictures, return_tensors="pt")["pixel_values"]
        return out

    def tell(self, signals: Mapping[str, Tensor], image_mask: Tensor, prompt_mask: Tensor, owner: Tensor, draws: Tensor | None = None,
             before: list[Tensor] | None = None, may: Tensor | None = None) -> None:  # fmt: skip
        """Set what the connectors see in the next pass.

        Args:
            signals: from `signals`, of the batch's pictures in order.
            image_mask: (B, T) bool, rows of pictures; prompt_mask: (B, T) bool, words that are no answer and no padding.
            owner: (P,) the row of each picture.
            draws, before, may: of `MoAI.set_context`: for its first training step; for a prompt that comes in several passes; for several questions
                about one picture in a row.
        """
        if not len(owner):
            self.forget()
            return
        prompt_mask = prompt_mask & (torch.bincount(owner, minlength=len(prompt_mask)) > 0).unsqueeze(1)
        if "crayon" in self.connectors:
            crayon: Any = self.connectors["crayon"]
            crayon.set_context(crayon(signals["semantic"], signals["numbering"]), image_mask)
        if "moai" in self.connectors:
            moai: Any = self.connectors["moai"]
            aux, mask = self._aux(signals)
            joined, there = _by_row(aux, mask, owner, len(image_mask))
            moai.set_context(moai.compress(joined, there), image_mask, prompt_mask, expert_choice=draws, mixer_cache=before, attention_mask=may)

    def forget(self) -> None:
        for connector in self.connectors.values():
            connector.clear_context()

    def detach(self) -> None:
        for connector in self.connectors.values():
            connector.detach()

    def _squared(self, scene: Scene) -> Scene:
        if scene.segment_map is None:
            return scene
        return replace(scene, segment_map=as_seen(scene.segment_map, self.processor.image_processor))

    def _words(self, text: str) -> list[int]:
        """Ids of a text; marks of the model that a picture's writing spells out stay words."""
        ids = self.processor.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        return ids[: self.config.aux_tokens]

    def _aux(self, signals: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """(P, A, D) and (P, A): embeddings of the words, then the colour picture's tokens."""
        aux, mask = self.model.get_input_embeddings()(signals["aux_ids"]), signals["aux_mask"]
        if "aux_pixels" in signals:
            with torch.no_grad():  # frozen in both of MoAI's steps
                seen = picture_tokens(self.model, signals["aux_pixels"]).to(aux.dtype)
            aux = torch.cat([aux, seen], 1)
            mask = torch.cat([mask, mask.new_ones(seen.shape[:2])], 1)
        return aux, mask

    def save(self, folder: str | Path, dtype: torch.dtype | None = None) -> None:
        """Write the two files beside the model, in another type of numbers if one is named. Where Scenes were cached is a matter of this
        machine and stays behind."""
        from safetensors.torch import save_file

        folder = Path(folder)
        kept = {
            f"{name}.{k}": v.detach().cpu().to(dtype or v.dtype).contiguous()
            for name, m in self.connectors.items()
            for k, v in m.state_dict().items()
        }
        with whole(folder / WEIGHTS) as path:
            save_file(kept, path)
        held = asdict(replace(self.config, eyes=replace(self.config.eyes, cache="")))
        held["connectors"] = {name: _plain(vars(m)["config"]) for name, m in self.connectors.items()}
        write_text(folder / CONFIG, json.dumps(held, ensure_ascii=False, indent=1))

    @classmethod
    def open(cls, folder: str | Path, model: Any, processor: Any) -> ObjectAwareModule:
        """Hang what lies in the folder on its model.

        Raises:
            UserError: a damaged file, or connectors of another model.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        folder = Path(folder)
        try:
            held = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
            held |= {"classes": tuple(held.get("classes", ())), "eyes": PerceptionConfig(**held.get("eyes", {}))}
            held["connectors"] = {
                k: {n: tuple(v) if isinstance(v, list) else v for n, v in values.items() if n != "name"}
                for k, values in held["connectors"].items()
            }
            kept = load_file(folder / WEIGHTS)
            for name, values in held["connectors"].items():
                if name not in KINDS:
                    raise ValueError(f"a connector '{name}'")
                own = {k: v for k, v in kept.items() if k.startswith(f"{name}.")}
                check_shapes(own, name, values, partial(_alone, name, values, model))
            aware = cls(model, processor, ObjectAwareConfig(**held))
            for name, connector in aware.connectors.items():
                own = {k.removeprefix(f"{name}."): v for k, v in kept.items() if k.startswith(f"{name}.")}
                connector.load_state_dict(own)
                connector.eval()
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as e:
            raise UserError(f"the object-aware parts in '{folder}' cannot be opened ({type(e).__name__}: {str(e)[:160]})",
                            allowed=f"{CONFIG} and {WEIGHTS} as nunbit writes them", todo="remove both to use the plain model") from None  # fmt: skip
        return aware


def hang(name: str, values: Mapping[str, Any], model: Any) -> PrefillConnector:
    """Build a layer connector at the sizes of a model's decoder and hang it there."""
    made = _built(name, values, model)
    made.attach(model.model.language_model)
    return made


def _built(name: str, values: Mapping[str, Any], model: Any) -> Any:
    text = model.config.get_text_config()
    sizes = {"vision_width": text.hidden_size, "text_width": text.hidden_size, "layers": text.num_hidden_layers}
    return build(name, **(sizes | dict(values)))


def _alone(name: str, values: Mapping[str, Any], model: Any) -> dict[str, nn.Module]:
    return {name: _built(name, values, model)}


def _size(scene: Scene) -> int:
    """Bytes of a Scene, roughly: its map is nearly all of it."""
    return 10_000 + (0 if scene.segment_map is None else scene.segment_map.nbytes)


def is_object_aware(folder: str | Path) -> bool:
    return (Path(folder) / CONFIG).is_file()


def class_count() -> tuple[int, int]:
    """Classes and numbers of the crayon as published: COCO's 133, up to 20."""
    return max(CLASS_INDEX.values()), NUMBER_MAX


def in_words(scene: Scene, how: str, most: int = MOST_ITEMS[0], language: str = "en", called: Mapping[str, str] | None = None) -> str:
    """What is said of a picture (see `ObjectAwareConfig.words`), of so many things and lines at most; nothing where nothing was found.

    Args:
        language, called: of `transcribe`; the numbered list is English, as published.
    """
    if how == "objects":
        found = object_list(scene.segment_map, scene.segments[:most])
        return f"The image includes {found}." if found else ""
    if how != "plain":
        raise unknown_name("words", how, WORDS)
    return transcribe(scene, language, translate=called, max_items=most) if scene.objects or scene.text_lines else ""


def language_of(message: Message) -> str:
    """The language that a question is asked in, "ko" or "en", by its letters outside of quotes: a syllable block counts for two."""
    words = QUOTED.sub("", " ".join(p.content for p in message.parts if p.kind == "text"))
    korean, latin = sum("가" <= c <= "힣" for c in words), sum(c.isascii() and c.isalpha() for c in words)
    return "ko" if korean and 2 * korean >= latin else "en"


def as_seen(segment_map: np.ndarray, image_processor: Any) -> np.ndarray:
    """A map ``(H, W)`` cut or padded to the square that the image processor makes of the picture."""
    height, width = segment_map.shape
    if getattr(image_processor, "do_pad", False):
        side = max(height, width)
        out = np.zeros((side, side), segment_map.dtype)
        top, left = (side - height) // 2, (side - width) // 2
        out[top : top + height, left : left + width] = segment_map
        return out
    if getattr(image_processor, "do_center_crop", False):
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        return segment_map[top : top + side, left : left + side]
    return segment_map


def _by_row(aux: Tensor, mask: Tensor, owner: Tensor, rows: int) -> tuple[Tensor, Tensor]:
    """What each row's pictures say, one after another: (P, A, D) -> (B, most * A, D). A row without pictures has nothing to see."""
    each = torch.bincount(owner, minlength=rows)
    before = torch.arange(len(owner), device=owner.device) - (each.cumsum(0) - each)[owner]
    most = max(1, int(each.max()))
    out = aux.new_zeros(rows, most, *aux.shape[1:])
    there = mask.new_zeros(rows, most, aux.shape[1])
    return out.index_put((owner, before), aux).flatten(1, 2), there.index_put((owner, before), mask).flatten(1, 2)


def _plain(config: ConnectorConfig) -> dict[str, Any]:
    return {f.name: getattr(config, f.name) for f in fields(config) if f.name != "name"}
