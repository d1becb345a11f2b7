"""Instruction data against a teacher that misbehaves: nothing lost, nothing doubled, budgets kept, damage noticed."""

import json
import math
import threading
from functools import partial

import pytest
from tests.data.teacher.bad_server import BadServer

from nunbit.data.teacher.attempts import format_problems
from nunbit.data.teacher.budget import Budget, Prices
from nunbit.data.teacher.http_teacher import http_teacher
from nunbit.data.teacher.journal import Journal
from nunbit.data.teacher.make import MakeOptions, make
from nunbit.data.teacher.plan import apportion, plan
from nunbit.data.teacher.sources import Source, SourcePicture
from nunbit.data.teacher.template import template_teacher
from nunbit.errors import UserError
from nunbit.scene import Scene, SceneObject

KINDS = ("conversation", "detail", "reasoning")


def scene(i: int) -> Scene:
    names = ("dog", "cat", "car", "apple", "drum", "chair")
    boxes = ((5, 5, 30, 30), (60, 10, 95, 50), (10, 60, 40, 95))
    objects = [SceneObject(names[(i + k) % 6], boxes[k], attributes={"colour": "red"}) for k in range(1 + i % 3)]
    return Scene(100, 100, objects, meta={"complete": "all"})


def source(many: int, tmp_path) -> Source:
    return Source(
        "test", "1", tmp_path, [SourcePicture(f"p{i:03}", f"p{i:03}.png", partial(scene, i)) for i in range(many)]
    )


def options(**changes) -> MakeOptions:
    return MakeOptions(**{"kinds": KINDS, "languages": ("en", "ko"), "backoff_s": 0.01, "retries": 20, **changes})


def quiet(line: str) -> None:
    pass


@pytest.fixture
def server():
    with BadServer(share=0.6, hang_s=1.5).start() as made:
        yield made
        made.shutdown()


def test_everything_is_made_once_in_order_whatever_the_server_does(server, tmp_path):
    teacher = http_teacher(server.url, timeout_s=0.5)
    src = source(20, tmp_path)
    summary = make(src, teacher, options(concurrency=16), tmp_path / "a", format_problems, quiet)
    assert summary.made == 41 and not summary.left and not summary.failed
    assert len(server.did) >= 6
    rows = json.loads((tmp_path / "a/instruct.json").read_text())
    wanted = plan([p.id for p in src.pictures], 41, KINDS, ("en", "ko"), 0)
    assert [r["id"] for r in rows] == [i.id for i in wanted] and len({r["id"] for r in rows}) == 41
    assert all(sum("<image>" in t["value"] for t in r["conversations"]) == 1 for r in rows)
    assert {r["conversations"][0]["value"].startswith("<image>") for r in rows} == {True, False}
    manifest = json.loads((tmp_path / "a/manifest.json").read_text())
    assert manifest["made"] == 41 and manifest["spent"]["replies"] == sum(server.did.values())
    journal = [json.loads(line) for line in (tmp_path / "a/journal.jsonl").open()]
    assert sum(r["ok"] for r in journal) == 41 and all(r["why"] for r in journal if not r["ok"])


def test_failures_are_listed_with_reasons_and_the_next_run_tries_them_again(server, tmp_path):
    teacher, src, out = http_teacher(server.url, timeout_s=0.5), source(12, tmp_path), tmp_path / "a"
    summary = make(src, teacher, options(retries=0), out, format_problems, quiet)
    failed = [json.loads(line) for line in (out / "failed.jsonl").open()]
    assert summary.failed and {r["item"]: r["why"] for r in failed} == summary.failed and all(r["why"] for r in failed)
    again = make(src, teacher, options(), out, format_problems, quiet)
    assert not again.failed and not again.left and (out / "failed.jsonl").read_text() == ""


def test_the_budget_is_never_passed_and_a_larger_one_goes_on(tmp_path):
    with BadServer(share=0.0).start() as server:
        src, out, teacher = source(10, tmp_path), tmp_path / "a", http_teacher(server.url)
        prices = Prices(prompt=1000.0, reply=1000.0)  # 1 each for a thousand tokens
        small = options(max_cost=10.0, prices=prices, reply_tokens=100)
        summary = make(src, teacher, small, out, format_problems, quiet)
        spent = json.loads((out / "manifest.json").read_text())["spent"]["cost"]
        assert "budget" in summary.stopped and summary.left and summary.made and spent <= 10.0
        again = make(src, teacher, small, out, format_problems, quiet)
        spent = json.loads((out / "manifest.json").read_text())["spent"]["cost"]
        assert again.left and spent <= 10.0  # what an earlier run spent counts
        assert not make(src, teacher, options(), out, format_problems, quiet).left
        server.shutdown()


def test_the_key_goes_to_the_server_and_nowhere_else(server, tmp_path, monkeypatch):
    monkeypatch.setenv("MY_KEY", "sk-very-secret-value")
    teacher = http_teacher(server.url, key_variable="MY_KEY", timeout_s=0.5)
    make(source(5, tmp_path), teacher, options(), tmp_path / "a", format_problems, quiet)
    assert server.keys == {"Bearer sk-very-secret-value"}
    assert all(b"secret" not in p.read_bytes() for p in (tmp_path / "a").iterdir() if p.is_file())
    with pytest.raises(UserError, match="is empty"):
        http_teacher(server.url, key_variable="NO_SUCH_KEY")


def test_retry_after_holds_every_request_back(tmp_path):
    with BadServer(share=0.0, retry_after="0.4").start() as server:
        teacher, times, first = http_teacher(server.url), [], threading.Event()
        import time

        ask, server.share = teacher.ask, 0.0

        def once_busy(request):
            from nunbit.data.teacher.base import RetryableError

            if not first.is_set():
                first.set()
                times.append(time.monotonic())
                raise RetryableError("busy", wait_s=0.5, busy=True)
            times.append(time.monotonic())
            return ask(request)

        slow = type(teacher)(teacher.name, once_busy)
        summary = make(source(3, tmp_path), slow, options(concurrency=1), tmp_path / "a", format_problems, quiet)
        assert not summary.left and times[1] - times[0] >= 0.5
        server.shutdown()


def test_a_torn_line_is_cut_off_and_damage_in_the_middle_is_an_error(tmp_path):
    path = tmp_path / "j.jsonl"
    journal = Journal(path)
    for i in range(3):
        journal.append({"item": f"i{i}", "ok": True, "text": "x", "reply_tokens": 5})
    journal.append({"item": "i0", "ok": True, "text": "second"})
    journal.close()
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"item": "i9", "ok": tr')
    again = Journal(path)
    assert [*again.made] == ["i0", "i1", "i2"] and again.reply_tokens == 15 and path.read_bytes() == whole
    assert [r["text"] for r in again.accepted(iter(["i2", "i0", "i7"]))] == ["x", "x"]
    again.close()
    path.write_bytes(whole.replace(b'"i1"', b'"i1', 1))
    with pytest.raises(UserError, match="damaged"):
        Journal(path)


def test_a_folder_of_other_settings_is_refused(tmp_path):
    make(source(3, tmp_path), template_teacher(), options(), tmp_path / "a", format_problems, quiet)
    with pytest.raises(UserError, match="seed=0, not 1"):
        make(source(3, tmp_path), template_teacher(), options(seed=1), tmp_path / "a", format_problems, quiet)


def test_the_mix_is_the_papers():
    assert apportion(158, KINDS) == {"conversation": 58, "detail": 23, "reasoning": 77}
    items = plan([str(i) for i in range(100)], 158, KINDS, ("en",), 0)
    assert len({i.id for i in items}) == 158 and plan([str(i) for i in range(100)], 158, KINDS, ("en",), 0) == items


def test_a_bound_on_cost_needs_a_price():
    with pytest.raises(UserError, match="price"):
        Budget(Prices(), max_cost=1.0)
    budget = Budget(Prices(1.0, 1.0), max_tokens=100)
    assert budget.reserve(40, 40) and not budget.reserve(20, 10) and budget.under_way and math.isinf(budget.max_cost)


def test_a_damaged_picture_fails_its_items_alone(tmp_path):
    def damaged() -> Scene:
        raise UserError("'p001.png' is damaged")

    src = source(3, tmp_path)
    src.pictures[1] = SourcePicture("p001", "p001.png", damaged)
    summary = make(src, template_teacher(), options(), tmp_path / "a", format_problems, quiet)
    assert summary.made and summary.failed and {*summary.failed.values()} == {"'p001.png' is damaged."}
    assert all(item.startswith("p001-") for item in summary.failed) and summary.left == len(summary.failed)
