"""Word lists for the text of world pictures, and random strings."""

from __future__ import annotations

import numpy as np

from nunbit.world.base import pick

ENGLISH = """
time year people way day man thing woman life child world school state family student group country problem hand
part place case week company system program question work government number night point home water room mother area
money story fact month lot right study book eye job word business issue side kind head house service friend father
power hour game line end member law car city community name president team minute idea kid body information back
parent face others level office door health person art war history party result change morning reason research girl
guy moment air teacher force education foot boy age policy music field market nation plan college interest death
experience effect use class control value season table answer drive street picture garden summer winter spring
coffee bread milk sugar butter pepper orange kitchen window paper pencil mountain river ocean island forest desert
bridge station airport hotel museum library bakery theater factory village castle church engine wheel ticket jacket
shirt shoes pocket mirror bottle basket blanket candle ladder hammer needle rocket planet silver golden purple
yellow green black white small large quick quiet strong gentle happy bright early today tomorrow never always under
above before after between north south east west dog cat bird fish horse
""".split()
SIGNS = (
    "EXIT, STOP, OPEN, CLOSED, SALE 50%, PUSH, PULL, NO SMOKING, DANGER, WET FLOOR, PARKING, TAXI, BUS STOP, ENTER, "
    "KEEP OUT, FREE, HOT, COLD, ROOM 204, GATE 7, EAST WING, CAFE, PRIVATE, SILENCE, TICKETS"
).split(", ")
KOREAN = """
사람 시간 나라 학교 친구 가족 엄마 아빠 아이 선생님 학생 공부 운동 음악 영화 사진 그림 여행 바다 하늘 구름 바람 나무
꽃 강아지 고양이 우유 커피 물 밥 빵 사과 바나나 딸기 포도 수박 김치 라면 김밥 떡볶이 시장 병원 은행 약국 서점 우체국
도서관 공원 지하철 버스 택시 기차 비행기 자동차 자전거 신호등 거리 도시 마을 집 방 문 창문 의자 책상 침대 거울 시계
전화 컴퓨터 가방 신발 모자 바지 치마 양말 우산 안경 봄 여름 가을 겨울 아침 점심 저녁 오늘 내일 어제 주말 생일 선물
사랑 행복 희망 노래 춤 꿈 별 달 해 눈 비 산 강 섬 숲 길 다리
""".split()
KOREAN_SIGNS = (
    "출구, 입구, 주차금지, 화장실, 영업중, 휴무, 당기세요, 미세요, 금연, 위험, 할인 50%, 버스 정류장, 택시, 매표소, "
    "관계자 외 출입금지, 엘리베이터, 계단, 비상구, 안내, 무료, 정숙, 천천히, 공사중, 어린이 보호"
).split(", ")
SYLLABLES = (
    "가나다라마바사아자차카타파하고노도로모보소오조초코토포호구누두루무부수우주추쿠투푸후기니디리미비시이"
    "지치키티피히강난달말반산안잔찬한공논돌물봄손온종총홍국눈들문분순운준중축금님당람명방상양장정철청학형"
    "길식신심인일진집친필"
)
PEOPLE_EN = "Mina Tom Anna Ben Kim Lee Sara Leo Emma Jun Nora Paul Yuna Max Lucy Jack Amy Dan Eva Finn".split()
PEOPLE_KO = "민수 지영 서연 도윤 하준 수진 예은 현우 유나 태민 은지 준호 소라 영희 철수 미나".split()
GOODS_EN = (
    "milk bread coffee tea rice eggs apple juice cake soap water pasta cheese salad soup banana sugar beef fish corn"
).split()
GOODS_KO = "우유 빵 커피 녹차 쌀 달걀 사과 주스 케이크 비누 생수 국수 치즈 김밥 라면 두부 설탕 고기 생선 과자".split()
CITIES_EN = "Seoul Paris Tokyo Rome Lima Oslo Cairo Delhi Berlin Madrid".split()
CITIES_KO = "서울 부산 대구 인천 광주 대전 울산 제주 수원 강릉".split()


def random_latin(rng: np.random.Generator) -> str:
    """3 to 7 random letters in one of three cases."""
    letters = "".join(chr(97 + int(c)) for c in rng.integers(0, 26, int(rng.integers(3, 8))))
    return pick(rng, (letters, letters.upper(), letters.capitalize()))


def random_hangul(rng: np.random.Generator) -> str:
    """2 to 4 random syllables."""
    return "".join(pick(rng, SYLLABLES) for _ in range(int(rng.integers(2, 5))))


def random_number(rng: np.random.Generator) -> str:
    """A number as it stands on signs: an integer, a decimal, a price, a time or a phone number."""
    kind = int(rng.integers(6))
    n = int(rng.integers(1, 10000))
    return (
        str(n),
        f"{n / 100:.2f}",
        f"${n / 100:.2f}",
        f"{n % 24}:{n % 60:02d}",
        f"{n * 100:,}원",
        f"{n % 1000:03d}-{n:04d}",
    )[kind]


def word(rng: np.random.Generator, hangul: bool) -> str:
    """A common word, or (a third of the time) a string that no word list holds."""
    if rng.random() < 0.35:
        return random_hangul(rng) if hangul else random_latin(rng)
    if hangul:
        return pick(rng, KOREAN)
    w = pick(rng, ENGLISH)
    return pick(rng, (w, w.upper(), w.capitalize()))
