"""What a model might say to the items of a fixture: right, partly wrong, right in odd words, and nothing that
answers.

Always the same.
"""

LETTERS = (
    "{L}.",
    "({L})",
    "{L}) {T}",
    "The answer is {L}.",
    "The correct answer is **{L}**. It stands out against all that is around it.",
    "{l}",
    "{T}",
    "It is {T}, as far as I can see.",
    "정답은 {L}입니다.",
    "{L}입니다",
    "选{L}",
    "Answer: {L}",
    "{L} or {W}",
    "Not {W} but {L}",
    "**{L}**",
    "Option {L} is right",
    "\\boxed{{{L}}}",
    "{L}. {T}",
    "{L}: {T}",
    "I choose {L}, since A is the first.",
    "A {T} thing",
    "E",
    "  {L}\n",
    "{L}, {L}",
    "{W} looks good at first, yet after all of this long reasoning about it I say ({L}).",
    "정답은 {L} 입니다.",
    "({L}). {T}",
    "The answer is a {T} one",
    "Between {W} and {L}: {L}",
    "It says {T} and also {V}.",
)
YES_NO = (
    "{Y}.",
    "{y}",
    "{Y}, it is so.",
    "{I}",
    "I would say {y}.",
    "The answer is {y}.",
    "Not sure.",
    "None",
    "Nothing like it.",
    "Yes and no.",
    "{k}",
    "{Y}!",
    "There is not.",
    "Cannot say",
    "Nope",
    "**{Y}**",
    "It is so. No doubt.",
    "No, wait. {Y}.",
    "unknown",
    " {Y}\n",
)
SHORT = (
    "{T}.",
    "{U}",
    "The answer is {T}.",
    "{T} ",
    "the {T}",
    "{T}, I think",
    "It says {T}",
    "'{T}'",
    "{T}\n",
    "{C}",
    "12%",
    "$12",
    "12.4",
    "twelve",
    "1,234",
    "2019",
    "0.24",
    "a-b",
    "dont",
    "10:30",
    "{T} {T}",
    "Two dogs?",
)
NUMBERS = (
    "{T}",
    "{T}.0",
    "The answer is {T}.",
    " {T} ",
    "\\boxed{{{T}}}",
    "about {T}",
    "{T}00",
    "({L})",
    "{L}",
    "The answer is {L}",
    "twelve",
    "1.25",
    "[1, 2, 3]",
    "It is {T} {L}",
    "12.0",
)
DESCRIPTIONS = (
    "Two knives, three forks and a cup lie on the dining table.",
    "The children share a hot dog; a dog watches them.",
    "Traffic lights hang over three cars, two buses and a hot, dusty road.",
    "Four wine glasses stand beside a bottle. The glasses are full, and there is no wine-glass more.",
    "A bathroom with a toilet seat, a toilet and a seat by the sinks.",
    "The train tracks are empty. People wait for the passenger train.",
    "A baby bear plays. The mother bear's cub is a baby animal too.",
    "Mice! Two mice, computer mice, lie near the keyboards of the MacBooks and a laptop computer.",
    "The image shows:\n- **Couch**: a sofa.\n- **Cat**: two kittens.\n- *Remote*: on the cat/dog bed",
    "A biker rides a motor bike past bikers on motorbikes. The man-made road is wet.",
    "Geese, a flamingo and two flamingoes swim past sailboats (and ferries).",
    "Three men and two women sit on benches. Men, women, gentlemen: all of them are people.",
    "Vases, and one vase.",
    "A stove top oven, a cheesecake and cupcakes. Is that a fridge? Yes: a freezer!",
    "Skis! A skier with his ski, and a snowboarder's snowboards.",
    "The calves, oxen, heifers and lambs are near a \"goat\". 'Sheep' they are, said the farmer",
    "A table is set for dinner, with knives, knives and more knives.",
    "A young woman holds hot dogs, one for each child. No dogs.",
    "A man on a bicycle, a boy on a bike and a baby in a van wait at the stop light... The bus is late.",
    "It is dark. I see a bottle, bottles, and a wine glass on the table--no cup.",
    "The seat of the toilet is up, and the stool and the chairs are blue.",
    "A passenger jet flies over the train station, where passengers wait.",
    "Two pandas, and an adult bear with a teddy bear.",
    "A TV, two monitors, televisions, and a computer mouse on the desks.",
    "A tabby sleeps on the loveseat next to the remotes & the cell phones; puppies bark.",
    "The policemen ride scooters; the policeman's moped is parked.",
    "A swan. Two swans. A seagull’s nest near the ship. “A canoe.” Nothing else",
    "An umbrella, umbrellas, and the old man's bench. A man sits; a boy stands.",
    "Houseplants in a vase next to potted plants, and clocks on the wall.",
    "An orange cake cools in the oven, oranges lie in the microwave and sandwiches in the refrigerator.",
    "The skiers wear skis, the snowboarders snowboards. Their ties and bow ties fly.",
    "Cattle, cows, bulls, buffaloes and an ox; sheep, ewes and rams. A shepherd's sheepdog.",
    "A kitchen scene with a bowl of apples, bananas, broccoli, and a pizza.",
    "Grandchildren and ladies with smartphones, an iPhone, phones, and mobile phones.",
    "Fire hydrants, stop signs, parking meters, fire trucks and a firetruck on the street.",
    "Suitcases, handbags, a suit case, luggage and backpacks, each of them 2,5 kg, at 10:30.",
    "",
    "Airplanes and air planes; an aircraft, jets, buses and busses, taxis, taxies.",
    "Horses, ponies, foals, a baby zebra and giraffes near the elephants.",
    "Home plate, a baseball bat, two baseball gloves, balls, sports balls and tennis rackets.",
    "Scissors, toothbrushes, hair driers, hairdryers, books and toasters.",
    "Frisbees, kites, surfboards, longboards, skateboards.",
    "두 마리의 개와 고양이가 소파 위에 있습니다.",
    "一只狗和一只猫坐在沙发上。",
    "It looks like a quiet afternoon in the countryside, peaceful and bright.",
    "A person, a person, a person and another person with a thief, thieves, and a chef.",
    "Donuts, doughnuts, bagels, carrots, burgers, subs, hamburgers and spoons.",
    "The picture is blurry.",
)
"""What might be said of the pictures of CHAIR, three times each: plurals, two-word objects, other objects, nothing,
other languages.
"""
NOISE = (
    "I do not know.",
    "Lorem ipsum dolor.",
    "Sorry, I can't help with images of people yet.",
    "???",
    "N/A",
    "Failed to obtain answer via API.",
)
NOTHING = ("A quiet afternoon.", "사진에 고양이가 있습니다.", "I do not know.")
_ROUNDS = {"odd 1": 0, "odd 2": 1, "odd 3": 2}


def recorded(name, items):
    """Set -> item id -> reply. ``items`` are nunbit's items of the benchmark's fixture."""
    wrong = {i.id: _wrong(name, i) for i in items}
    sets = {"gold": {i.id: _right(name, i) for i in items}}
    sets["partly wrong"] = {i.id: wrong[i.id] if n % 3 == 0 else _right(name, i) for n, i in enumerate(items)}
    for title, part in _ROUNDS.items():
        forms = _forms(name)
        sets[title] = {i.id: _odd(forms[(n + part * len(items)) % len(forms)], name, i) for n, i in enumerate(items)}
    sets["no answer"] = {i.id: NOISE[n % len(NOISE)] for n, i in enumerate(items)}
    if name == "chair":
        sets["nothing named"] = {i.id: NOTHING[n % len(NOTHING)] for n, i in enumerate(items)}
    return sets


def verdicts(items):
    """What a judge might say; one of them is no grade."""
    said = ("1.0", "0.5", "0.0", "0.3", "not a number", "0.9", "1", "0")
    return {i.id: said[n % len(said)] for n, i in enumerate(items)}


def _forms(name):
    if name == "mathvista":
        return NUMBERS
    if name == "chair":
        return DESCRIPTIONS
    if name in ("mme", "pope", "hallusionbench"):
        return YES_NO
    return SHORT if name in ("textvqa", "chartqa", "docvqa", "ocrbench", "coco-captions", "mm-vet") else LETTERS


def _letter(item):
    return next((k for k, v in item.options.items() if item.gold[0] in (k, v)), "A")


def _right(name, item):
    if name == "chair":
        return f"There is a {' and a '.join(item.gold)}."
    if name in ("mme", "pope", "hallusionbench"):
        return item.gold[0].capitalize()
    return _letter(item) if item.options else item.gold[0]


def _wrong(name, item):
    if name == "chair":
        return f"Two zebras and a {item.gold[0]} behind a fence."
    if item.options:
        return next(k for k in item.options if k != _letter(item))
    return {"yes": "No", "no": "Yes"}.get(item.gold[0], "something else")


def _odd(form, name, item):
    gold, letter = item.gold[0], _letter(item)
    others = [k for k in item.options if k != letter] or ["B"]
    text = item.options.get(letter, gold)
    if name == "mmmu" and not item.options:
        form = SHORT[LETTERS.index(form) % len(SHORT)]
    return form.format(
        L=letter,
        l=letter.lower(),
        T=text,
        U=text.upper(),
        C=text[:-1] + "x",
        W=others[0],
        V=item.options.get(others[-1], "none"),
        Y=gold.capitalize(),
        y=gold,
        I=gold[:1],
        k={"yes": "네", "no": "아니요"}.get(gold, gold),
    )
