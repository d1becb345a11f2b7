"""A Scene in short words: groups, places, unsure things, writing in rows, charts, boards, marks."""

from nunbit.english import article, plural
from nunbit.scene import Scene, SceneObject, TextLine
from nunbit.scene_layout import arrange
from nunbit.scene_prompt import scene_words
from nunbit.world import DOMAINS
from nunbit.world.base import generator
from nunbit.world.names import names_in


def line(text, x, y, score=1.0):
    return TextLine.from_box(text, (x, y, x + 20, y + 8), score)


def test_things_are_counted_and_placed():
    scene = Scene(
        100,
        100,
        [
            SceneObject("dog", (60, 60, 90, 90)),
            SceneObject("dog", (5, 5, 25, 25), 0.9, {"colour": "brown"}),
            SceneObject("circle", (40, 40, 60, 60), 0.9, {"colour": "red"}),
            SceneObject("bus", (0, 60, 20, 80), 0.3),
        ],
    )
    assert scene_words(scene) == (
        "3 objects: 2 dogs and a red circle; maybe a bus\n"
        "maybe bus 4% bottom left [0,60,20,80]; brown dog 4% top left [5,5,25,25]; "
        "red circle 4% center [40,40,60,60]; dog 9% bottom right [60,60,90,90]\nlargest dog"
    )
    assert scene_words(scene, "ko", names_in("ko")).startswith("3 물체: 개 2개, 빨간색 원 1개; 아마 버스 1개\n")


def test_nothing_is_said_to_be_nothing():
    assert scene_words(Scene(10, 10)) == "nothing recognised"


def test_writing_stands_in_rows():
    scene = Scene(
        100, 100, text_lines=[line("3.25", 60, 21), line("MENU", 10, 5), line("coffee", 10, 20), line("?", 10, 50, 0.2)]
    )
    assert scene_words(scene).split("\n") == [
        "3 rows of text:",
        "1: MENU [10,5,30,13]",
        "2: coffee [10,20,30,28] | 3.25 [60,21,80,29]",
        "3: (maybe) ? [10,50,30,58]",
    ]


def test_a_table_in_words_names_its_columns_and_says_what_they_mean():
    rows = (("Flight", "To", "Gate"), ("KE 901", "Paris", "31"), ("OZ 102", "Tokyo", "7"), ("BA 5", "London", "12"))
    lines = [line(c, 40 * j, 20 * i) for i, r in enumerate(rows) for j, c in enumerate(r)]
    assert scene_words(Scene(200, 100, text_lines=lines)).split("\n")[2:] == [
        "2: KE 901 | To: Paris | Gate: 31",
        "3: OZ 102 | To: Tokyo | Gate: 7",
        "4: BA 5 | To: London | Gate: 12",
        "Gate: highest KE 901 (31), lowest OZ 102 (7)",
    ]
    assert scene_words(Scene(200, 100, text_lines=lines), "ko", names_in("ko")).split("\n")[1:3] == [
        "1: Flight (편명) | To (목적지) | Gate (탑승구)",
        "2: KE 901 | 목적지: Paris (파리) | 탑승구: 31",
    ]


def test_what_is_largest_is_said_where_it_is_clear():
    def words(*sizes):
        things = [SceneObject(n, (10 * i, 0, 10 * i + s, s)) for i, (n, s) in enumerate(sizes)]
        return scene_words(Scene(100, 100, things)).split("\n")[2:]

    assert words(("dog", 20), ("bus", 40), ("cat", 10)) == ["largest bus, smallest cat"]
    assert words(("dog", 20), ("bus", 40), ("cat", 20)) == ["largest bus"]
    assert words(("dog", 20), ("bus", 20)) == words(("dog", 20), ("dog", 40)) == words(("dog", 20)) == []


def test_bars_are_ranked():
    bars = [
        SceneObject("bar", (20 * i, 50, 20 * i + 8, 90), 0.9, {"label": n, "value": v})
        for i, (n, v) in enumerate((("Jan", "5"), ("Jul", "about 80"), ("Oct", "30")))
    ]
    assert scene_words(Scene(100, 100, bars)).split("\n")[1] == 'highest "Jul" about 80, lowest "Jan" 5'
    bars[0].attributes["value"] = ""
    assert len(scene_words(Scene(100, 100, bars)).split("\n")) == 1


def test_many_lines_have_no_boxes_and_an_end():
    scene = Scene(100, 900, text_lines=[line(f"row {i}", 10, 20 * i) for i in range(40)])
    words = scene_words(scene).split("\n")
    assert words[1] == "1: row 0" and words[-1] == "+16 more"


def test_writing_on_a_thing_belongs_to_it():
    scene = Scene(
        100,
        100,
        [SceneObject("bus", (0, 0, 60, 60)), SceneObject("dog", (70, 70, 90, 90))],
        text_lines=[line("12", 20, 20), line("far", 70, 5)],
    )
    found = arrange(scene)
    assert [t.labels for t in found.things] == [["12"], []]
    assert [[t.text for t in r] for r in found.rows] == [["far"]]


def test_a_drawn_mark_names_what_it_shows():
    scene = Scene(100, 100, [SceneObject("wolf", (10, 10, 50, 50)), SceneObject("tree", (60, 0, 100, 100))])
    scene.meta["marks"] = [
        {"colour": "red", "kind": "circle", "box": (8, 8, 52, 52)},
        {"colour": "blue", "kind": "point", "box": (1, 90, 3, 92)},
    ]
    assert scene_words(scene).split("\n")[-2:] == ["red circle: wolf", "blue point: nothing recognised"]


def test_charts_boards_and_panels_of_the_world_are_read_as_they_were_drawn():
    """From the boxes alone, without what only the maker knows."""
    for number in range(25):
        for domain in ("charts", "puzzles", "panels"):
            scene = DOMAINS[domain].draw(generator(4, number, "train"), "train").scene
            meta = scene.meta
            for o in scene.objects:
                o.attributes = {k: v for k, v in o.attributes.items() if k == "colour"}
            found = arrange(scene)
            if domain == "charts":
                chart = meta["chart"]
                by_label = {t.labels[0]: t for t in found.things}
                for label, value, colour in zip(chart["labels"], chart["values"], chart["colours"], strict=True):
                    assert by_label[label].thing.attributes["colour"] == colour or chart["type"] == "line"
                    if chart["type"] != "pie":
                        assert abs(float(by_label[label].value.replace("about ", "")) - value) <= 1
            elif domain == "panels":
                steps = {t.labels[0]: int(t.thing.name.split(" step ")[1]) - 1 for t in found.things}
                assert [steps[letter] for letter in sorted(steps)] == meta["panels"]["steps"]
            elif meta["puzzle"]["type"] == "sudoku" and any(map(any, meta["puzzle"]["board"])):
                assert found.board == [[str(v) if v else "." for v in r] for r in meta["puzzle"]["board"]]


def test_plurals_and_articles():
    assert [plural(w) for w in ("box", "puppy", "toy", "person", "cup of tea", "police car")] == [
        "boxes",
        "puppies",
        "toys",
        "people",
        "cups of tea",
        "police cars",
    ]
    assert [article(w) for w in ("apple", "unicorn", "hourglass", "dog")] == ["an", "a", "an", "a"]


def bars(*values):
    """Bars of these heights and printed figures under one another's feet."""
    objects = [
        SceneObject("bar", (60 * i, 200 - height, 60 * i + 40, 200), 0.9, {"label": name, "value": figure})
        for i, (name, height, figure) in enumerate(values)
    ]
    return Scene(400, 240, objects)


def test_a_bar_without_a_figure_is_measured_by_those_with_one():
    words = scene_words(bars(("Mon", 60, "12"), ("Tue", 150, ""), ("Wed", 110, "22")))
    assert 'bar "Tue" about 30' in words and 'bar "Mon" 12' in words


def test_bars_whose_figures_do_not_fit_their_heights_give_no_measure():
    words = scene_words(bars(("Mon", 60, "12"), ("Tue", 150, ""), ("Wed", 110, "90")))
    assert "about" not in words
