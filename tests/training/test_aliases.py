"""Old run folders open and resume: settings, logs, checkpoints and stages under the names of earlier versions."""

import json
from dataclasses import fields

import pytest
import torch
from tests.training.lines import STAGE, Line, log, quiet

from nunbit.recipes import load, names, tiny
from nunbit.recipes.tiny.stages import STAGES
from nunbit.training import aliases
from nunbit.training.config import Phase
from nunbit.training.loop import train
from nunbit.training.options import RunOptions
from nunbit.training.stage import Stage
from nunbit.training.stages import begin


def test_every_old_name_has_a_present_one():
    present = {f.name for f in (*fields(Stage), *fields(Phase))} | {"perception"}
    assert set(aliases.SETTINGS.values()) <= present and not set(aliases.SETTINGS) & present
    assert set(aliases.STAGES.values()) <= set(STAGES) and not set(aliases.STAGES) & set(STAGES)


def test_a_run_that_an_earlier_version_began_resumes(tmp_path):
    """Its checkpoint holds ``position``, its log ``rate`` and ``fill``; the curve is that of a run at once."""
    quiet(Line(), tmp_path / "whole", Stage(name="line", steps=8, batch=4, lr=1e-2, save_every=2, warmup=0, decay=0.01))
    cut = tmp_path / "cut"
    quiet(Line(), cut, Stage(name="line", steps=4, batch=4, lr=1e-2, save_every=2, warmup=0, decay=0.01))
    state = torch.load(cut / "last.pt", weights_only=True)
    state["position"] = state.pop("sampler_state")
    state["stage"]["micro"] = state["stage"].pop("micro_batch_size")
    state["stage"]["matrix_lr"] = state["stage"].pop("muon_lr")
    torch.save(state, cut / "last.pt")
    old = [{"rate" if k == "lr_scale" else k: v for k, v in line.items()} | {"fill": 0.5} for line in log(cut)]
    (cut / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in old))
    quiet(Line(), cut, Stage(name="line", steps=8, batch=4, lr=1e-2, save_every=2, warmup=0, decay=0.01))
    assert [(x["step"], x["loss"]) for x in log(cut)] == [(x["step"], x["loss"]) for x in log(tmp_path / "whole")]
    assert all("lr_scale" in x and "rate" not in x for x in log(cut)) and log(cut)[0]["token_utilization"] == 0.5


def test_parts_of_old_checkpoints_are_found():
    state = {"eyes": 1, "language": 2}
    assert aliases.saved_entry(state, "oracle") == 1 and aliases.saved_entry(state, "language") == 2
    assert aliases.saved_entry({"sampler_state": 3, "position": 4}, "sampler_state") == 3
    with pytest.raises(KeyError):
        aliases.saved_entry(state, "connector")


def test_a_checkpoint_with_the_oracle_under_its_old_name_loads(tmp_path):
    class Named(Line):
        part = "oracle"

        def modules(self):
            return {self.part: self.model}

    first = Named()
    first.part = "eyes"
    quiet(first, tmp_path)
    from nunbit.training.checkpoints import restore

    again = Named()
    assert restore(tmp_path, again.modules()) == STAGE.steps
    assert torch.equal(again.model.weight, first.model.weight)


def test_stages_of_old_run_folders_are_found(tmp_path):
    assert aliases.stage_folder(tmp_path, "scene_text") == tmp_path / "scene_text"
    (tmp_path / "told").mkdir()
    assert aliases.stage_folder(tmp_path, "scene_text") == tmp_path / "told"
    assert aliases.stage_folder(tmp_path, "connect") == tmp_path / "connect"
    (tmp_path / "scene_text").mkdir()
    assert aliases.stage_folder(tmp_path, "scene_text") == tmp_path / "scene_text"


def test_old_commands_mean_the_same():
    assert tiny.configure(["stages=eyes,told", "matrix_lr=0.5"]) == tiny.configure(
        ["stages=encoder,scene_text", "muon_lr=0.5"]
    )
    assert tiny.configure(["words.micro=3"]) == tiny.configure(["language.micro_batch_size=3"])
    old = load("moai").configure(
        ["debug=true", "experts.aware_lr=0.5", "experts.micro=2", "eyes.queries=dog", "eyes.detector=x"]
    )
    new = [
        "debug=true",
        "experts.layer_connector_lr=0.5",
        "experts.micro_batch_size=2",
        "perception.queries=dog",
        "perception.detector=x",
    ]
    assert old == load("moai").configure(new)


def test_a_changed_setting_of_a_resumed_run_is_said(tmp_path):
    config, said = load("llava15").configure(["debug=true"]), []
    options = RunOptions(say=said.append)
    begin(config, tmp_path, options)
    assert not said
    written = json.loads((tmp_path / "recipe.json").read_text())
    old = {
        k.replace("micro_batch_size", "micro").replace("layer_connector_lr", "aware_lr"): v for k, v in written.items()
    }
    (tmp_path / "recipe.json").write_text(json.dumps(old))
    begin(config, tmp_path, options)
    assert not said
    begin(load("llava15").configure(["debug=true", "tune.micro_batch_size=4"]), tmp_path, options)
    assert said == ["a setting has changed since this run began: tune.micro_batch_size: 0 -> 4"]
    assert all(load(name) for name in names()) and train
