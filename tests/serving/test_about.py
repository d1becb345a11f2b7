"""What the page is given beside the API: the limits of the model, names of things, sample pictures, Scenes alone."""

import httpx
from tests.serving.conftest import uri

from nunbit.serving.about import KNOWN, SAMPLES, about_model, names_of_things
from nunbit.serving.settings import ServerSettings


def test_a_known_model_has_limits_in_both_languages_and_any_other_a_warning():
    for name, known in KNOWN.items():
        about = about_model(name)
        assert len(about["limits"]) >= 3 and set(about["samples"]) <= set(SAMPLES)
        assert all(set(text) == {"en", "ko"} for text in [about["summary"], *about["limits"]])
        assert len(known.summary.en) < 40, "it stands beside the name"
    assert about_model("nunbit-tiny")["samples"] == ["animals.png"], "photographs are not what it can do"
    other = about_model("anything")
    assert len(other["limits"]) == 1 and other["samples"] == list(SAMPLES)


def test_the_card_of_the_model_says_it_over_the_api(running):
    [card] = httpx.get(running.url + "/v1/models").json()["data"]
    assert card["about"] == about_model("nunbit-tiny") | {
        "max_pictures": 8,
        "max_tokens": 64,
        "verify": False,
        "guard": "off",
    }


def test_names_and_samples_need_no_key_and_other_files_are_not_served(start):
    url = start(ServerSettings(api_keys=("k",))).url
    assert httpx.get(url + "/v1/models").status_code == 401
    assert httpx.get(url + "/page/names.json").json() == names_of_things()
    for name in SAMPLES:
        assert httpx.get(f"{url}/page/samples/{name}").headers["content-type"].startswith("image/")
    for name in ("questions.jsonl", "coffee.jpg", "..%2Fpyproject.toml", "%2e%2e/LICENSE"):
        assert httpx.get(f"{url}/page/samples/{name}").status_code == 404


def test_a_scene_comes_without_drawn_pictures_where_none_are_wanted(running, pictures):
    body = {"image": uri(pictures[0])}
    alone = httpx.post(running.url + "/v1/perceive", json=body | {"overlays": False}, timeout=240).json()
    drawn = httpx.post(running.url + "/v1/perceive", json=body, timeout=240).json()
    assert alone["overlays"] == {} and {"boxes", "text"} <= set(drawn["overlays"]) and alone["scene"] == drawn["scene"]
