"""The comparison with reference tensors: it finds a changed weight, takes files with other outputs, and never passes by
comparing nothing. The references here are made by our own tiny models; those of the authors lie outside.
"""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.models.test_importers import GOLDEN, KINDS, inputs, weights, write
from tests.parity.tensors import main

from nunbit.connectors.moai_mixer import MoAIExpert

FILE_NAMES = {
    "images": "image_uint8",
    "semantic": "semantic_index",
    "numbering": "numbering_index",
}


def whole_model(kind, folder, batch=2):
    """A folder such as ``moai_tiny``: a model with its inputs, and its logits as the one output."""
    folder.mkdir()
    model = KINDS[kind].from_folder(write(folder, weights(kind)))[0]
    (folder / "model-0.safetensors").rename(folder / "model.safetensors")
    given = inputs(kind, batch)
    given["attention_mask"] = torch.ones_like(given["input_ids"])
    given["attention_mask"][-1, :2] = 0  # the last row is padded
    with torch.no_grad():
        logits = model(**given).logits
    held = {f"in.{FILE_NAMES.get(k, k)}": v for k, v in given.items()} | {"out.logits_last64": logits}
    save_file(held, folder / "io.safetensors")
    return model, given, held


def expert_file(file, width=8):
    torch.manual_seed(width)
    module = MoAIExpert(width, 4, 2)
    torch.nn.init.normal_(module.linear_o[1].weight)
    held = {f"weights.{k}": v for k, v in module.state_dict().items()}
    held |= {"in.ca_q": torch.randn(3, width), "in.ca_kv": torch.randn(5, width)}
    with torch.no_grad():
        held["out.ca"] = module(held["in.ca_q"][None], held["in.ca_kv"][None])[0]
    save_file(held, file, {"dims": json.dumps({"rank": 4, "heads": 2})})
    return held


@pytest.mark.parametrize("what", ["no folder", "an empty folder", "a file of no cases", "a file of no outputs"])
def test_comparing_nothing_is_a_failure(what, tmp_path, capsys):
    folder = tmp_path / "golden"
    if what != "no folder":
        folder.mkdir()
    if what == "a file of no cases":
        (folder / "verbaliser_strings.json").write_text("{}")
    if what == "a file of no outputs":
        held = expert_file(folder / "moai_expert.safetensors")
        del held["out.ca"]
        save_file(held, folder / "moai_expert.safetensors", {"dims": json.dumps({"rank": 4, "heads": 2})})
    assert main(folder) == 1
    out = capsys.readouterr().out
    assert "Nothing was compared" in out or "nothing in it was compared" in out


def test_a_file_that_gives_no_comparison_fails_beside_one_that_does(tmp_path, capsys):
    expert_file(tmp_path / "moai_expert.safetensors")
    assert main(tmp_path) == 0
    (tmp_path / "meta_counts.json").write_text("{}")
    assert main(tmp_path) == 1
    assert "meta_counts.json: nothing in it was compared" in capsys.readouterr().out


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_that_a_file_lacks_are_named_and_the_rest_is_compared(kind, tmp_path, capsys):
    whole_model(kind, tmp_path / f"{kind}_tiny")
    assert main(tmp_path) == 0
    out = capsys.readouterr().out
    assert f"ok   {kind}_tiny logits_last64" in out and "KeyError" not in out
    assert "not compared, the file has no out.greedy_ids" in out


def test_draws_of_each_row_are_compared(tmp_path, capsys):
    folder = tmp_path / "moai_tiny"
    model, given, held = whole_model("moai", folder, batch=3)
    g = torch.Generator().manual_seed(0)
    draws = torch.randint(3, (4, len(model.dims.mixer_layers), 3, 2), generator=g)  # runs, mixers, rows, sides
    with torch.no_grad():
        runs = [torch.cat([model(expert_choice=d[:, b], **given).logits[b : b + 1] for b in range(3)]) for d in draws]
    held |= {"out.step1_row_draws": draws, "out.step1_row_logits_last64": torch.stack(runs)}
    save_file(held, folder / "io.safetensors")
    assert main(tmp_path) == 0 and capsys.readouterr().out.count("ok   moai_tiny step 1 row draws") == 4
    held["out.step1_row_draws"] = draws.flip(-1)
    save_file(held, folder / "io.safetensors")
    assert main(tmp_path) == 1 and "FAIL moai_tiny step 1 row draws" in capsys.readouterr().out


@pytest.mark.parametrize("kind", KINDS)
def test_single_rows_are_compared(kind, tmp_path, capsys):
    folder = tmp_path / f"{kind}_tiny"
    model, given, held = whole_model(kind, folder)
    alone = {k: v[1:] for k, v in given.items() if k != "attention_mask"} | {"input_ids": given["input_ids"][1:, 2:]}
    with torch.no_grad():
        held["out.single1_logits_last64"] = model(**alone).logits
    held["in.single1_input_ids"] = alone["input_ids"].clone()
    save_file(held, folder / "io.safetensors")
    assert main(tmp_path) == 0 and f"ok   {kind}_tiny single1 logits" in capsys.readouterr().out
    held["out.single1_logits_last64"] = held["out.single1_logits_last64"] * 1.001
    save_file(held, folder / "io.safetensors")
    assert main(tmp_path) == 1 and f"FAIL {kind}_tiny single1 logits" in capsys.readouterr().out


def test_second_sizes_are_compared_in_their_own_file_and_in_the_same(tmp_path, capsys):
    first = expert_file(tmp_path / "moai_expert.safetensors")
    other = expert_file(tmp_path / "moai_expert_other.safetensors", width=12)
    assert main(tmp_path) == 0
    assert "ok   moai_expert_other ca" in capsys.readouterr().out
    both = {k + "_other": v for k, v in other.items()}
    metadata = {"dims": json.dumps({"rank": 4, "heads": 2})}
    save_file(first | both, tmp_path / "moai_expert.safetensors", metadata)
    (tmp_path / "moai_expert_other.safetensors").unlink()
    assert main(tmp_path) == 0
    out = capsys.readouterr().out
    assert "ok   moai_expert ca" in out and "ok   moai_expert_other ca" in out
    both["out.ca_other"] = both["out.ca_other"] * 1.01
    save_file(first | both, tmp_path / "moai_expert.safetensors", metadata)
    assert main(tmp_path) == 1 and "FAIL moai_expert_other ca" in capsys.readouterr().out
    whole_model("collavo", tmp_path / "collavo_tiny_other")
    main(tmp_path)
    assert "ok   collavo_tiny_other logits_last64" in capsys.readouterr().out


def test_an_output_without_a_comparison_is_named(tmp_path, capsys):
    _, _, held = whole_model("collavo", tmp_path / "collavo_tiny")
    save_file(held | {"out.something_new": torch.ones(2)}, tmp_path / "collavo_tiny" / "io.safetensors")
    assert main(tmp_path) == 0
    assert "collavo_tiny out.something_new: not compared, we have no comparison" in capsys.readouterr().out


@pytest.mark.skipif(
    not (GOLDEN / "moai_expert.safetensors").is_file(), reason="no reference tensors (set NUNBIT_GOLDEN)"
)
def test_parity_holds_and_a_changed_weight_is_found(tmp_path, capsys):
    metadata = {"dims": json.dumps({"dim": 64, "heads": 4, "rank": 64})}
    state = load_file(GOLDEN / "moai_expert.safetensors")
    save_file(state, tmp_path / "moai_expert.safetensors", metadata)
    assert main(tmp_path) == 0
    state["weights.linear_k.1.weight"][:8] *= 1.01
    save_file(state, tmp_path / "moai_expert.safetensors", metadata)
    assert main(tmp_path) == 1
    assert "FAIL moai_expert ca" in capsys.readouterr().out
