"""`nunbit robust`: each figure means what it says, on models whose answers are known."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nunbit.cli.commands import app
from nunbit.encoders.zero_shot import EMBEDDED, TEMPLATES, ZeroShotClassifier
from nunbit.errors import UserError
from nunbit.perception.image_names import ImageNamer
from nunbit.studies.robustness import answers, context, data, zero_shot
from nunbit.studies.robustness.namer import NamerClassifier
from nunbit.studies.robustness.page import page
from nunbit.studies.robustness.run import RobustnessOptions, as_text, run

EXAMPLES = Path(__file__).parents[3] / "examples"
QUIET = lambda _: None  # noqa: E731


@pytest.fixture(scope="module")
def pair():
    return ZeroShotClassifier.from_pretrained(str(EMBEDDED))


@pytest.fixture(scope="module")
def few():
    return data.labelled("world", 12, 0)


class Biased:
    """A classifier that sees the mean colour of a picture's borders, and whose labels are colours."""

    names = ("red", "green", "blue")

    def __init__(self):
        self.model = None

    def logits(self, images, labels):
        return images @ labels.T

    def encode_images(self, images):
        rows = [np.asarray(i, np.float32)[:4].mean((0, 1)) / 255 for i in images]
        return torch.nn.functional.normalize(torch.tensor(np.stack(rows)), dim=-1)

    def probabilities(self, images, labels, temperature=1.0):
        return (images @ labels.T).softmax(-1)


def squares(count):
    """Things that a classifier of borders never sees."""
    rgba = np.full((20, 20, 4), 255, np.uint8)
    things = [data.Thing(Biased.names[i % 3], rgba) for i in range(count)]
    return data.LabelledSet("world", Biased.names, [rgba[..., :3]] * count, [i % 3 for i in range(count)], things)


def test_a_model_of_backgrounds_is_found_out():
    labels = torch.eye(3)
    found = context.by_background(Biased(), squares(9), labels, 0, QUIET)
    assert found["pulled"] == 1.0, "every wrong name is the background's own"
    assert found["other"]["right"] == pytest.approx(1 / 3)
    assert context.by_company(Biased(), squares(9), labels, 0, QUIET)["beside"]["right"] == pytest.approx(
        context.by_company(Biased(), squares(9), labels, 0, QUIET)["alone"]["right"]
    )


def test_balance_of_a_model_that_always_says_the_same():
    shown = squares(9)
    dark = data.LabelledSet("world", shown.names, [np.full((9, 9, 3), (9, 200, 9), np.uint8)] * 9, shown.labels, [])
    found = zero_shot.balance(Biased(), dark, torch.eye(3))
    assert found["never"] == pytest.approx(2 / 3) and found["most"] == 1.0
    assert found["distance"] == pytest.approx(2 / 3) and found["plain"]["right"] == pytest.approx(1 / 3)


def test_pictures_are_held_out_labelled_and_repeatable(few, tmp_path):
    again = data.labelled("world", 12, 0)
    assert all(np.array_equal(a, b) for a, b in zip(few.pictures, again.pictures, strict=True))
    assert len(few.names) == 12 and all(p.shape == (64, 64, 3) for p in few.pictures)
    assert few.called("ko") != few.called("en")
    for name in ("hot_dog", "cat"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (30, 20)).save(tmp_path / name / "1.png")
    mine = data.labelled(str(tmp_path), 10, 0)
    assert mine.names == ("cat", "hot dog") and mine.labels == [0, 1] and not mine.things
    (tmp_path / "cat" / "1.png").unlink()
    with pytest.raises(UserError, match="1 folders"):
        data.labelled(str(tmp_path), 10, 0)
    with pytest.raises(UserError, match="set of pictures"):
        data.labelled("wrld", 10, 0)


def test_a_thing_is_pasted_where_it_is_wanted():
    canvas, red = np.zeros((50, 80, 3), np.uint8), np.zeros((10, 30, 4), np.uint8)
    red[...] = (255, 0, 0, 255)
    made = data.paste(canvas, red, 0.6, (0.5, 0.5))
    ys, xs = np.nonzero(made[..., 0] > 128)
    assert xs.max() - xs.min() + 1 == 30 and abs((ys.min() + ys.max()) / 2 - 24.5) <= 1 and not canvas.any()
    corner = data.paste(canvas, red, 1.0, (1.0, 1.0))
    assert corner[-1, -1, 0] == 255 and corner[0, 0, 0] == 0


def test_the_attack_falls_with_its_bound_and_noise_does_not(pair, few):
    labels = pair.encode_labels(few.called("en"), TEMPLATES["en"])
    found = zero_shot.under_attack(pair, few, labels, 0, 3, QUIET)
    attacked = [found[str(b)]["attack"]["right"] for b in zero_shot.BOUNDS]
    assert attacked == sorted(attacked, reverse=True) and attacked[0] >= 0.9 and attacked[-1] <= 0.2
    assert found["8"]["noise"]["right"] >= 0.7
    seen = zero_shot.share(zero_shot.chosen(pair, few.images(), labels), few)
    assert seen["right"] == attacked[0], "pixels in 0 to 1 are what the processor gives"


def test_the_whole_model_is_asked_about_changed_pictures():
    asked = answers.questions("world", 6, 0)
    seen = []

    def truthful(conversations):
        seen.extend(c[0].images[0] for c in conversations)
        return [next(a.accepted[0] for a in asked if a.text in c[0].text) for c in conversations]

    found = answers.under_corruption(truthful, asked, 0, QUIET)
    assert all(r["changed"] == 0.0 for rows in found.values() for r in rows) and len(found["blur"]) == 6
    assert len(seen) == 6 + 6 * 5 * 6
    assert any(not np.array_equal(np.asarray(seen[0]), np.asarray(s)) for s in seen[6::6])
    first = answers.by_order(lambda cs: [c[0].text.split(": ")[1].split(",")[0] for c in cs], few_set(), 5, 0)
    assert first["by_place"] == [1.0, 0.0, 0.0, 0.0] and first["changed"] == 1.0 and first["unread"] == 0.0


def few_set():
    return data.labelled("world", 8, 1)


def test_yes_and_no_are_read_in_both_languages():
    yes = answers.Asked(0, np.zeros((2, 2, 3), np.uint8), "?", ("yes",))
    no = answers.Asked(0, np.zeros((2, 2, 3), np.uint8), "?", ("no",))
    assert yes.right("Yes, it is.") and yes.right("네.") and not yes.right("No.") and no.right("아니요.")
    assert not yes.right("") and not no.right("")


def test_the_namer_of_photographs_is_a_classifier():
    made = NamerClassifier(ImageNamer.from_pretrained())
    image = Image.open(EXAMPLES / "cat.jpg").convert("RGB")
    labels = made.encode_labels(["dog", "cat", "bus"])
    assert made.probabilities(made.encode_images([image]), labels).argmax() == 1
    seen = made.pixel_logits(made.pixels([image]), labels)
    assert torch.allclose(seen, made.logits(made.encode_images([image]), labels), atol=1e-4)
    with pytest.raises(UserError, match="does not know"):
        made.encode_labels(["cat", "unicorn of glass"])


def test_a_run_is_one_page_and_json(pair, tmp_path):
    options = RobustnessOptions(limit=8, steps=1, parts=("wording", "balance", "corruption", "attack", "context"))
    result = run({"a": pair, "<b>": pair}, None, options)
    json.dumps(result)
    shown = page(result)
    assert shown.count("<svg") >= 10 and "<b>" not in shown and "&lt;b&gt;" in shown
    assert "http" not in shown.replace("http://www.w3.org", "").replace("http-equiv", "")
    assert "wording:" in as_text(result)
    with pytest.raises(UserError, match="parts"):
        RobustnessOptions(parts=("speed",))


def test_the_command(tmp_path, capsys):
    out = tmp_path / "r.html"
    run_app(["robust", "--limit", "8", "--parts", "balance", "-o", str(out), "--json"])
    printed = json.loads(capsys.readouterr().out)
    assert printed["pairs"]["nunbit-clip"]["balance"]["plain"]["right"] >= 0.8 and out.stat().st_size > 2000


def run_app(arguments):
    app(arguments, standalone_mode=False)
