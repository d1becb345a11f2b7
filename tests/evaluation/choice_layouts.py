"""The layouts in which multiple-choice benchmarks are published, with a few items each."""

from tests.evaluation.data_files import b64, options_of, picture, tsv, write_json


def mmbench(folder, name="MMBench_DEV_EN.tsv"):
    """Four questions of 2 to 4 options in all rotations; copies name the first row's picture."""
    rows = []
    for q, count in enumerate((4, 3, 2, 4)):
        texts, right = options_of(q)[:count], q % count
        for k in range(count):
            turned = texts[k:] + texts[:k]
            letter = "ABCD"[(right - k) % count]
            rows.append(
                {
                    "index": q + k * 1_000_000,
                    "question": f"Which colour is it, {q}?",
                    "hint": "Look." if q == 1 else "",
                    **{c: (turned[j] if j < count else "") for j, c in enumerate("ABCD")},
                    "answer": letter,
                    "category": ["ocr", "colour"][q % 2],
                    "image": b64(q) if k == 0 else q,
                    "source": "test",
                    "l2-category": "coarse_perception",
                    "comment": "",
                    "split": "dev",
                }
            )
    return tsv(folder / name, rows)


def k_mmbench(folder):
    return mmbench(folder, "MMBench_DEV_KO.tsv")


def lettered(n):
    return {
        "index": n,
        "image": b64(n),
        "question": f"Which colour, {n}?",
        **dict(zip("ABCD", options_of(n), strict=True)),
        "answer": "ABCD"[n % 4],
        "category": ["food web", "rock cycle"][n % 2],
    }


def ai2d_mask(folder):
    return tsv(folder / "AI2D_TEST.tsv", [lettered(n) for n in range(12)])


def ai2d_no_mask(folder):
    return tsv(folder / "AI2D_TEST_NO_MASK.tsv", [lettered(n) for n in range(12)])


def scienceqa(folder):
    return tsv(folder / "ScienceQA_TEST.tsv", [lettered(n) | {"hint": "Read." if n % 2 else ""} for n in range(12)])


def scienceqa_original(folder):
    rows = {}
    for n in range(12):
        rows[str(n)] = {
            "question": f"Which colour, {n}?",
            "choices": options_of(n)[: 2 + n % 3],
            "answer": n % 2,
            "hint": "Read." if n % 2 else "",
            "image": "image.png",
            "grade": f"grade{1 + n}",
            "subject": ["natural science", "social science"][n % 2],
            "split": "test",
        }
        picture(folder / "images" / "test" / str(n) / "image.png", n)
    rows["99"] = {"question": "?", "choices": ["a", "b"], "answer": 0, "image": None, "split": "test", "hint": ""}
    write_json(folder / "problems.json", rows)
    return folder


def seed(folder):
    questions = [
        {
            "question": f"Which colour, {n}?",
            **dict(zip(("choice_a", "choice_b", "choice_c", "choice_d"), options_of(n), strict=True)),
            "answer": "ABCD"[n % 4],
            "data_id": f"{n}.png",
            "data_type": "image",
            "question_id": str(n),
            "question_type_id": 1 + n % 9,
            "segment": None,
        }
        for n in range(12)
    ]
    questions.append(questions[0] | {"data_type": "video", "data_id": "v.mp4", "question_id": "v"})
    for n in range(12):
        picture(folder / "SEED-Bench-image" / f"{n}.png", n)
    write_json(folder / "SEED-Bench.json", {"questions": questions, "question_type": {"Scene Understanding": 1}})
    return folder


def k_seed(folder):
    return tsv(folder / "SEEDBench_IMG_KO.tsv", [lettered(n) for n in range(12)])


def k_dtcbench(folder):
    rows = []
    for n in range(12):
        r = lettered(n)
        rows.append(
            {
                "index": f"doc_{n}",
                "question": "색은?",
                **{f"choice_{c.lower()}": r[c] for c in "ABCD"},
                "answer": r["answer"],
                "category": ["document", "table", "chart"][n % 3],
                "image": r["image"],
            }
        )
    return tsv(folder / "K-DTCBench.tsv", rows)
