"""Rasterise the artwork of the *things* domain from icon sets on npm.

    npm pack @iconify-json/{noto,twemoji,openmoji,emojione,fluent-emoji-flat,noto-v1,emojione-v1,fxemoji}
    npm pack @iconify-json/streamline-emojis
    (unpack each into FOLDER/<set>)
    python -m tools.make_artwork FOLDER

Writes one atlas for each style and things.json into src/nunbit/world/art/,
those under a share-alike licence into artwork-share-alike/. Needs resvg-py.
"""

import io
import json
import sys
from pathlib import Path

import numpy as np
import resvg_py
from PIL import Image

STYLES = ("noto", "twemoji", "openmoji", "emojione", "fluent-emoji-flat")
PARTIAL = ("noto-v1", "emojione-v1", "fxemoji", "streamline-emojis")
"""Styles that need not have every thing: what they lack stays an empty tile."""
# Where a set's name of a thing differs from that of the others.
FXEMOJI_NAMES = """
red-apple:redapple birthday-cake:birthdaycake backpack:schoolsatchel blue-book:bluebook camel:dromedarycamel
castle:europeancastle eggplant:aubergine fire-engine:fireengine french-fries:frenchfries house:housebuilding
lady-beetle:ladybeetle light-bulb:lightbulb locomotive:steamlocomotive mobile-phone:cellphone necktie:tie
palm-tree:palmtree panda:pandaface pizza:sliceofpizza rabbit:bunny scissors:blackscissors ewe:sheep
snowman:snowmanwithoutsnow soccer-ball:soccerball telephone:blacktelephone top-hat:tophat
evergreen-tree:evergreen delivery-truck:deliverytruck wolf:wolfface wrapped-gift:present maple-leaf:mapleleaf
laptop:personalcomputer
"""
OTHER_NAMES = {"fxemoji": dict(pair.split(":") for pair in FXEMOJI_NAMES.split())}
TILE_PX, COLUMNS = 64, 12
SHARE_ALIKE = Path(__file__).parents[1] / "artwork-share-alike" / "nunbit_artwork_share_alike"
# icon name: English singular, plural, Korean
THINGS = """airplane:airplane,airplanes,비행기 red-apple:apple,apples,사과 ambulance:ambulance,ambulances,구급차
anchor:anchor,anchors,닻 ant:ant,ants,개미 avocado:avocado,avocados,아보카도 automobile:car,cars,자동차
balloon:balloon,balloons,풍선 banana:banana,bananas,바나나 basketball:basketball,basketballs,농구공
bat:bat,bats,박쥐 bear:bear,bears,곰 bed:bed,beds,침대 bell:bell,bells,종 bicycle:bicycle,bicycles,자전거
bird:bird,birds,새 birthday-cake:cake,cakes,케이크 backpack:backpack,backpacks,가방 bomb:bomb,bombs,폭탄
blue-book:book,books,책 bread:bread,breads,빵 broccoli:broccoli,broccolis,브로콜리 bus:bus,buses,버스
butterfly:butterfly,butterflies,나비 cactus:cactus,cacti,선인장 camel:camel,camels,낙타 camera:camera,cameras,카메라
candle:candle,candles,양초 carrot:carrot,carrots,당근 castle:castle,castles,성 cat:cat,cats,고양이
cheese-wedge:cheese,cheeses,치즈 cherries:cherry,cherries,체리 chicken:chicken,chickens,닭
church:church,churches,교회 cloud:cloud,clouds,구름 cookie:cookie,cookies,쿠키 cow:cow,cows,소 crab:crab,crabs,게
crocodile:crocodile,crocodiles,악어 croissant:croissant,croissants,크루아상 crown:crown,crowns,왕관
cucumber:cucumber,cucumbers,오이 deer:deer,deer,사슴 dog:dog,dogs,개 dolphin:dolphin,dolphins,돌고래
door:door,doors,문 doughnut:doughnut,doughnuts,도넛 dress:dress,dresses,원피스 drum:drum,drums,북
duck:duck,ducks,오리 egg:egg,eggs,달걀 eggplant:eggplant,eggplants,가지 elephant:elephant,elephants,코끼리
envelope:envelope,envelopes,편지 eye:eye,eyes,눈 factory:factory,factories,공장 fire:fire,fires,불
fire-engine:fire engine,fire engines,소방차 fish:fish,fish,물고기 fox:fox,foxes,여우
french-fries:fries,fries,감자튀김 frog:frog,frogs,개구리 ghost:ghost,ghosts,유령 glasses:glasses,glasses,안경
goat:goat,goats,염소 grapes:grapes,grapes,포도 guitar:guitar,guitars,기타 hamburger:hamburger,hamburgers,햄버거
hammer:hammer,hammers,망치 helicopter:helicopter,helicopters,헬리콥터 honeybee:bee,bees,벌 horse:horse,horses,말
house:house,houses,집 ice-cream:ice cream,ice creams,아이스크림 jeans:jeans,jeans,청바지 key:key,keys,열쇠
kiwi-fruit:kiwi,kiwis,키위 koala:koala,koalas,코알라 lady-beetle:ladybug,ladybugs,무당벌레
laptop:laptop,laptops,노트북 lemon:lemon,lemons,레몬 light-bulb:light bulb,light bulbs,전구 lion:lion,lions,사자
lizard:lizard,lizards,도마뱀 locomotive:train,trains,기차 lollipop:lollipop,lollipops,막대사탕
lipstick:lipstick,lipsticks,립스틱 microphone:microphone,microphones,마이크 microscope:microscope,microscopes,현미경
mobile-phone:phone,phones,휴대폰 monkey:monkey,monkeys,원숭이 mouse:mouse,mice,쥐 mushroom:mushroom,mushrooms,버섯
necktie:tie,ties,넥타이 octopus:octopus,octopuses,문어 owl:owl,owls,부엉이 palm-tree:palm tree,palm trees,야자수
panda:panda,pandas,판다 peach:peach,peaches,복숭아 pear:pear,pears,배 pencil:pencil,pencils,연필
penguin:penguin,penguins,펭귄 pig:pig,pigs,돼지 pineapple:pineapple,pineapples,파인애플 pizza:pizza,pizzas,피자
potato:potato,potatoes,감자 rabbit:rabbit,rabbits,토끼 rainbow:rainbow,rainbows,무지개 ring:ring,rings,반지
robot:robot,robots,로봇 rocket:rocket,rockets,로켓 rooster:rooster,roosters,수탉 rose:rose,roses,장미
sailboat:sailboat,sailboats,돛단배 scissors:scissors,scissors,가위 shark:shark,sharks,상어 ewe:sheep,sheep,양
shrimp:shrimp,shrimps,새우 snail:snail,snails,달팽이 snake:snake,snakes,뱀 snowman:snowman,snowmen,눈사람
soccer-ball:soccer ball,soccer balls,축구공 spider:spider,spiders,거미 spoon:spoon,spoons,숟가락
squid:squid,squids,오징어 strawberry:strawberry,strawberries,딸기 sun:sun,suns,해
sunflower:sunflower,sunflowers,해바라기 sushi:sushi,sushi,초밥 t-shirt:t-shirt,t-shirts,티셔츠 taxi:taxi,taxis,택시
telephone:telephone,telephones,전화기 television:television,televisions,텔레비전 tent:tent,tents,텐트
tiger:tiger,tigers,호랑이 toilet:toilet,toilets,변기 tomato:tomato,tomatoes,토마토 top-hat:hat,hats,모자
tractor:tractor,tractors,트랙터 evergreen-tree:tree,trees,나무 trophy:trophy,trophies,트로피
delivery-truck:truck,trucks,트럭 trumpet:trumpet,trumpets,트럼펫 tulip:tulip,tulips,튤립
turtle:turtle,turtles,거북이 umbrella:umbrella,umbrellas,우산 unicorn:unicorn,unicorns,유니콘
violin:violin,violins,바이올린 volcano:volcano,volcanoes,화산 watch:watch,watches,손목시계
watermelon:watermelon,watermelons,수박 whale:whale,whales,고래 wolf:wolf,wolves,늑대 wrapped-gift:gift,gifts,선물
wrench:wrench,wrenches,렌치 zebra:zebra,zebras,얼룩말 motorcycle:motorcycle,motorcycles,오토바이
maple-leaf:leaf,leaves,나뭇잎 toothbrush:toothbrush,toothbrushes,칫솔 magnet:magnet,magnets,자석
chair:chair,chairs,의자 skull:skull,skulls,해골"""


def things() -> list[tuple[str, str, str, str]]:
    out = []
    for entry in THINGS.replace("\n", ";").replace("  ", " ").split(";"):
        # names may hold a space: an entry starts at a token with a colon
        tokens, current = entry.split(" "), ""
        for t in tokens:
            if ":" in t and current:
                out.append(current)
                current = t
            else:
                current = f"{current} {t}".strip()
        out.append(current)
    return [(e.split(":")[0], *e.split(":")[1].split(",")) for e in out if e]


def svg(data: dict, name: str) -> str | None:
    while name in data.get("aliases", {}):
        name = data["aliases"][name]["parent"]
    icon = data["icons"].get(name)
    if icon is None:
        return None
    w, h = icon.get("width", data.get("width", 16)), icon.get("height", data.get("height", 16))
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f'<svg {spaces} viewBox="0 0 {w} {h}" width="{TILE_PX}" height="{TILE_PX}">{icon["body"]}</svg>'


def main(folder: Path) -> None:
    sets = {s: json.loads((folder / s / "icons.json").read_text()) for s in STYLES + PARTIAL}
    rows = [t for t in things() if all(svg(sets[s], t[0]) for s in STYLES)]
    out = Path(__file__).parents[1] / "src/nunbit/world/art"
    for style, data in sets.items():
        atlas = np.zeros((-(-len(rows) // COLUMNS) * TILE_PX, COLUMNS * TILE_PX, 4), np.uint8)
        for i, (icon, *_) in enumerate(rows):
            drawing = svg(data, OTHER_NAMES.get(style, {}).get(icon, icon))
            if drawing is None:
                continue
            tile = np.asarray(Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=drawing)))).convert("RGBA"))
            y, x = i // COLUMNS * TILE_PX, i % COLUMNS * TILE_PX
            atlas[y : y + TILE_PX, x : x + TILE_PX] = tile
        place = SHARE_ALIKE if style in ("openmoji", "emojione-v1") else out
        Image.fromarray(atlas).save(place / f"{style}.webp", quality=92, method=6)
        print(style, len(rows), (place / f"{style}.webp").stat().st_size)
    table = [{"icon": i, "en": e, "plural": p, "ko": k} for i, e, p, k in rows]
    (out / "things.json").write_text(json.dumps(table, ensure_ascii=False, indent=0) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
