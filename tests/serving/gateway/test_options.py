"""Backends as they are named on the command line."""

import pytest

from nunbit.errors import UserError
from nunbit.serving.gateway.build import named
from nunbit.serving.gateway.options import checked_url, parse_backends

KEYS = {"BIG_KEY": "sk-1", "EMPTY": ""}


def test_one_and_several():
    [one] = parse_backends(["http://h:1/v1/"], keys=["BIG_KEY"], models=["m"], environment=KEYS)
    assert (one.name, one.url, one.model, one.key, one.pictures) == ("", "http://h:1/v1", "m", "sk-1", "keep")
    big, small = parse_backends(
        ["big=https://h/v1", "small=http://127.0.0.1:8080/v1"],
        keys=["big=BIG_KEY"],
        models=["big=some-70b", "small=s"],
        pictures=["small=replace"],
        environment=KEYS,
    )
    assert (big.name, big.key, big.pictures, big.scene_prompt) == ("big", "sk-1", "keep", "none")
    assert (small.name, small.key, small.pictures, small.scene_prompt) == ("small", "", "replace", "plain")
    assert "sk-1" not in repr(big) and "sk-1" not in str(big)
    assert parse_backends([]) == ()


@pytest.mark.parametrize(
    ("backends", "more", "says"),
    [
        (["ftp://h"], {}, "as a backend"),
        (["http://user:pw@h/v1"], {}, "as a backend"),
        (["http://h/v1?key=1"], {}, "as a backend"),
        (["http://h/v1", "http://i/v1"], {}, "without a name"),
        (["a=http://h/v1", "a=http://i/v1"], {}, "of one name"),
        (["http://h/v1"], {"keys": ["NOT_SET"]}, "not set"),
        (["http://h/v1"], {"keys": ["EMPTY"]}, "not set"),
        (["a=http://h/v1"], {"models": ["b=m"]}, "backend that --backend-model names"),
        (["http://h/v1"], {"pictures": ["drop"]}, "--backend-pictures"),
        (["http://h/v1"], {"scene_prompt": "all"}, "scene prompt"),
    ],
)
def test_what_is_refused(backends, more, says):
    with pytest.raises(UserError, match=says) as found:
        parse_backends(backends, environment=KEYS, **more)
    assert "pw" not in str(found.value) and "key=1" not in str(found.value)


def test_a_key_is_shown_in_no_error():
    """Neither one that is given in place of its variable nor one that no header may hold."""
    with pytest.raises(UserError, match="not set") as found:
        parse_backends(["http://h/v1"], keys=["sk-typed-itself"], environment={})
    assert "typed" not in str(found.value)
    for key in ("secret-é", "secret line\nX: y", "s" * 5000):
        with pytest.raises(UserError, match="the key in K") as found:
            parse_backends(["http://h/v1"], keys=["K"], environment={"K": key})
        assert "secret" not in str(found.value) and "sss" not in str(found.value)


def test_an_address_with_the_path_of_a_route():
    assert checked_url("http://h:1/v1/chat/completions") == "http://h:1/v1"


def test_the_backend_is_asked_for_its_model(upstream):
    [options] = parse_backends([upstream.url])
    found = named(options)
    assert (found.name, found.model) == ("scripted", "scripted")
    [options] = parse_backends(["mine=" + upstream.url])
    assert (named(options).name, named(options).model) == ("mine", "scripted")
    with pytest.raises(UserError, match="cannot be asked for its models"):
        named(parse_backends(["http://127.0.0.1:9/v1"])[0])
