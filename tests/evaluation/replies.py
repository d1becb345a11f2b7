"""What a model might say to the items of a fixture: right, partly wrong, right in odd words, and nothing that answers. Always the same."""

LETTERS = (
    "{L}.", "({L})", "{L}) {T}", "The answer is {L}.", "The correct answer is **{L}**. It stands out against all that is around it.", "{l}", "{T}",
    "It is {T}, as far as I can see.", "정답은 {L}입니다.", "{L}입니다", "选{L}", "Answer: {L}", "{L} or {W}", "Not {W} but {L}", "**{L}**",
    "Option {L} is right", "\\boxed{{{L}}}", "{L}. {T}", "{L}: {T}", "I choose {L}, since A is the first.", "A {T} thing", "E", "  {L}\n", "{L}, {L}",
    "{W} looks good at first, yet after all of this long reasoning about it I say ({L}).", "정답은 {L} 입니다.", "({L}). {T}", "The answer is a {T} one",
    "Between {W} and {L}: {L}", "It says {T} and also {V}.",
)  # fmt: skip
YES_NO = ("{Y}.", "{y}", "{Y}, it is so.", "{I}", "I would say {y}.", "The answer is {y}.", "Not sure.", "None", "Nothing like it.", "Yes and no.",
          "{k}", "{Y}!", "There is not.", "Cannot say", "Nope", "**{Y}**", "It is so. No doubt.", "No, wait. {Y}.", "unknown", " {Y}\n")  # fmt: skip
SHORT = ("{T}.", "{U}", "The answer is {T}.", "{T} ", "the {T}", "{T}, I think", "It says {T}", "'{T}'", "{T}\n", "{C}", "12%", "$12", "12.4", "twelve",
         "1,234", "2019", "0.24", "a-b", "dont", "10:30", "{T} {T}", "Two dogs?")  # fmt: skip
NUMBERS = ("{T}", "{T}.0", "The answer is {T}.", " {T} ", "\\boxed{{{T}}}", "about {T}", "{T}00", "({L})", "{L}", "The answer is {L}", "twelve", "1.25",
           "[1, 2, 3]", "It is {T} {L}", "12.0")  # fmt: skip
NOISE = ("I do not know.", "Lorem ipsum dolor.", "Sorry, I can't help with images of people yet.", "???", "N/A",
         "Failed to obtain answer via API.")  # fmt: skip
_ROUNDS = {"odd 1": 0, "odd 2": 1, "odd 3": 2}


def recorded(name, items):
    """Set -> item id -> reply. ``items`` are nunbit's items of the benchmark's fixture."""
    wrong = {i.id: _wrong(i) for i in items}
    sets = {"gold": {i.id: _right(name, i) for i in items}}
    sets["partly wrong"] = {i.id: wrong[i.id] if n % 3 == 0 else _right(name, i) for n, i in enumerate(items)}
    for title, part in _ROUNDS.items():
        forms = _forms(name)
        sets[title] = {i.id: _odd(forms[(n + part * len(items)) % len(forms)], name, i) for n, i in enumerate(items)}
    sets["no answer"] = {i.id: NOISE[n % len(NOISE)] for n, i in enumerate(items)}
    return sets


def verdicts(items):
    """What a judge might say; one of them is no grade."""
    said = ("1.0", "0.5", "0.0", "0.3", "not a number", "0.9", "1", "0")
    return {i.id: said[n % len(said)] for n, i in enumerate(items)}


def _forms(name):
    if name == "mathvista":
        return NUMBERS
    if name in ("mme", "pope", "hallusionbench"):
        return YES_NO
    return SHORT if name in ("textvqa", "chartqa", "docvqa", "ocrbench", "coco-captions", "mm-vet") else LETTERS


def _letter(item):
    return next((k for k, v in item.options.items() if item.gold[0] in (k, v)), "A")


def _right(name, item):
    if name in ("mme", "pope", "hallusionbench"):
        return item.gold[0].capitalize()
    return _letter(item) if item.options else item.gold[0]


def _wrong(item):
    if item.options:
        return next(k for k in item.options if k != _letter(item))
    return {"yes": "No", "no": "Yes"}.get(item.gold[0], "something else")


def _odd(form, name, item):
    gold, letter = item.gold[0], _letter(item)
    others = [k for k in item.options if k != letter] or ["B"]
    text = item.options.get(letter, gold)
    if name == "mmmu" and not item.options:
        form = SHORT[LETTERS.index(form) % len(SHORT)]
    return form.format(L=letter, l=letter.lower(), T=text, U=text.upper(), C=text[:-1] + "x", W=others[0], V=item.options.get(others[-1], "none"),
                       Y=gold.capitalize(), y=gold, I=gold[:1], k={"yes": "네", "no": "아니요"}.get(gold, gold))  # fmt: skip
