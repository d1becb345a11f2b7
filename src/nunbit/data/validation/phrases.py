"""Phrases that no good item has: where the teacher knows from, and refusals. English and Korean."""

from __future__ import annotations

import re

_GIVEN = r"(?:given|provided|supplied|available|above|listed|following|original|input)"
_SOURCES = (
    r"captions?|bounding[\s-]?box(?:es)?|box(?:es)?\s+coordinates?|coordinates?|annotations?|descriptions?|"
    r"metadata|inputs?"
    r"|sentences?|prompts?|contexts?|labels?|data(?:set)?|details|information|facts?|text|"
    r"lists?(?:\s+of\s+(?:objects|boxes))?"
)
_SAYS = (
    r"(?:says?|states?|mentions?|describes?|indicates?|tells?|suggests?|specif(?:y|ies)|notes?|reveals?|lists?|"
    r"reports?"
    r"|shows?|includes?|do(?:es)?\s*(?:n['’]t|not)\s+\w+|gives?|confirms?|implies|imply|are|is\s+(?:at|around|"
    r"located))"
)
SOURCE = re.compile(
    rf"\b(?:according\s+to|based\s+(?:up)?on|judging\s+(?:by|from)|as\s+(?:stated|described|mentioned|noted|"
    rf"indicated|given"
    rf"|specified|listed|shown|per|seen)(?:\s+(?:in|by))?|(?:stated|described|mentioned|noted|indicated|"
    rf"specified|listed|given"
    rf"|provided)\s+(?:in|by)|from|per|in|by)\s+(?:the|this|these|those|your|its|their|both|all(?:\s+the)?|"
    rf"each|one\s+of\s+the)?"
    rf"\s*(?:{_GIVEN}\s+|first\s+|second\s+|image\s+|picture\s+|object\s+)?(?:captions?|bounding[\s-]?box(?:es)?"
    r"|box\s+coordinates?|coordinates?|annotations?|metadata|object\s+lists?)\b"
    r"|\b(?:according\s+to|based\s+(?:up)?on|judging\s+(?:by|from)|as\s+(?:stated|described|mentioned|noted|"
    r"indicated|given"
    rf"|specified|listed)(?:\s+(?:in|by))?|(?:stated|described|mentioned|noted|indicated|specified|"
    rf"listed)\s+(?:in|by))\s+(?:the|"
    rf"this|these|your)\s*(?:{_GIVEN}\s+|\w+\s+)?(?:{_SOURCES}|boxes)\b"
    rf"|\b(?:the|these|those|this|both|all|no|one|each|every|several|some|first|second|"
    rf"another)\s+(?:{_GIVEN}\s+|\w+\s+)?captions?"
    r"\b(?!\s+(?:for|would|could|might|contest))"
    rf"|\b(?:the|these|those|this|its|their)\s+(?:{_GIVEN}\s+)?(?:descriptions?|sentences?|annotations?|"
    rf"coordinates?|metadata"
    rf"|prompt|dataset|boxes)\s+{_SAYS}\b"
    rf"|\b(?:the|this|these)\s+{_GIVEN}\s+(?:{_SOURCES}|boxes)\b"
    r"|\bbounding[\s-]?box(?:es)?\b|\bbox\s+coordinates?\b|\bground[\s-]truth\b|\bannotated\s+(?:as|in|"
    r"objects?|with)\b"
    r"|\bI\s+(?:was|am|have\s+been)\s+(?:only\s+)?(?:given|told|provided)\b|\bthe\s+(?:captions?|"
    r"description)\s+I\s+(?:was|have)\b"
    r"|\b(?:caption|description)\s+(?:above|provided|given)\b|\bmentioned\s+in\s+the\s+(?:text|context|prompt|"
    r"input)\b"
    r"|\bthe\s+(?:first|second|third|last)\s+(?:sentence|description|box|annotation)\s+"
    rf"{_SAYS}|\b(?:the|this)\s+(?:object\s+)?lists?\s+(?:of\s+\w+\s+)?{_SAYS}"
    r"|\bfrom\s+the\s+(?:data|information|facts|details|text|list|input)\b|\bthe\s+(?:object\s+list|image\s+data)\b"
    r"|\bthis\s+(?:sentence|description|question|riddle|statement|prompt|problem|example)"
    r"\s+(?:[a-z]+s|can|could|may|might)\b"
    r"|\b(?:xmin|ymin|xmax|ymax)\b",
    re.I,
)
_KO_GIVEN = r"(?:주어진|제공된|제시된|받은|입력된|위의|앞의)"
_KO_AS = (
    r"(?:에\s*따르면|에\s*의하면|에\s*따라|에\s*근거|을\s*보면|를\s*보면|으?로\s*(?:보아|볼\s*때|보면|미루어)"
    r"|에서\s*(?:언급|말|알\s*수|설명)|에\s*(?:나와|나온|적힌|언급|나타나|명시|기술|포함|있듯)"
    r"|에는?\s+.{0,20}(?:나와|언급|적혀|명시|기술)|상(?:으?로는?|에서)?\s|을\s*바탕|를\s*바탕|을\s*기준으로\s*하면)"
)
SOURCE_KO = re.compile(
    r"캡션|바운딩\s*박스|경계\s*(?:상자|박스)|어노테이션|메타\s*데이터|박스\s*(?:좌표|정보)|상자\s*(?:좌표|"
    r"정보)|라벨링"
    rf"|(?:설명|문장|설명문|좌표|좌푯값|좌표값|주석|목록|데이터|프롬프트|입력|정보|리스트){_KO_AS}"
    r"|이\s*(?:문장|질문|설명|수수께끼|프롬프트)(?:은|는|이|에는)\s"
    rf"|{_KO_GIVEN}\s*(?:설명|문장|좌표|정보|데이터|목록|상자|맥락|텍스트|글|자료|캡션|내용)"
    r"|(?:설명|문장|목록|주석|좌표)(?:은|는|이|가|들은|들이)?\s*(?:말해|알려|언급|보여|나타내|가리)"
)
REFUSAL = re.compile(
    r"\bI['’]?\s*(?:a?m)?\s*(?:really\s+|so\s+|very\s+)?sorry\b|\bmy\s+apologies\b|\bI\s+apologi[sz]e\b|"
    r"\bunfortunately,?\s+I\b"
    r"|\bas\s+an?\s+(?:\w+\s+)?(?:AI|language\s+model|artificial\s+intelligence|text[\s-]based|assistant)\b|"
    r"\bI['’]?\s*a?m\s+(?:just\s+)?an?\s+"
    r"(?:AI|\w*\s*language\s+model|text[\s-]based)\b"
    r"|\bI\s*(?:cannot|can\s*not|can['’]t|could\s+not|couldn['’]t|am\s+(?:un|not\s+)able\s+to|do\s+not|"
    r"don['’]t|won['’]t|will\s+not|['’]m\s+(?:un|not\s+)able\s+to)"
    r"\s+(?:actually\s+|directly\s+|really\s+)?"
    r"(?:(?:see|view|access|look\s+at|process|analy[sz]e|display|open|interpret)\s+(?:the\s+|this\s+|that\s+|"
    r"your\s+|any\s+)?"
    r"(?:actual\s+|attached\s+|uploaded\s+)?(?:images?|pictures?|photos?|photographs?|visual\w*|content)\b"
    r"|have\s+(?:the\s+)?(?:access|ability|capability|eyes|enough\s+information|a\s+way)|assist|"
    r"help\s+(?:you\s+)?with|comply|fulfil|answer\s+(?:that|this|the|your)"
    r"|provide|generate|describe|create|write|do\s+that|continue)\b"
    r"|\b(?:unable|not\s+able)\s+to\s+(?:view|see|assist|help|comply|provide|process|answer|generate|describe|"
    r"complete)\b"
    r"|\bno\s+(?:image|picture|photo)s?\s+(?:was|were|is|has\s+been|have\s+been|are)?\s*(?:provided|attached|"
    r"given|uploaded|available|included|shared)\b"
    r"|\bplease\s+(?:provide|upload|share|attach|send)\b|\bwithout\s+(?:seeing|access\s+to|"
    r"being\s+able\s+to\s+see|viewing)\s+(?:the|an?|any)\s+(?:actual\s+)?"
    r"(?:image|picture|photo)|\b(?:cannot|can['’]t)\s+(?:assist|help|comply|fulfil|be\s+answered)\b|"
    r"\bagainst\s+my\s+(?:guidelines|policy)\b"
    r"|\bI\s+(?:must|have\s+to)\s+decline\b",
    re.I,
)
REFUSAL_KO = re.compile(
    r"죄송(?:하지만|합니다|해요|하게도|스럽)|미안(?:하지만|합니다|해요)|유감스럽게도"
    r"|(?:이미지|사진|그림|영상)(?:를|을|은|는)?\s*(?:직접\s*|실제로\s*)?(?:볼|확인할|분석할|열|처리할|인식할|"
    r"이해할|접근할)\s*수\s*(?:가\s*)?(?:없|는\s*없)"
    r"|(?:이미지|사진|그림)(?:에|에는)\s*접근할\s*수"
    r"|(?:볼|보는|확인하는|분석하는|인식하는)\s*(?:수\s*있는\s*)?(?:기능|능력|권한)(?:이|은|는)?\s*(?:없|갖)"
    r"|(?:이미지|사진|그림)(?:가|이|는|은)?\s*(?:제공|첨부|업로드|주어지|전송)(?:되지|지)?\s*(?:않|안)"
    r"|(?:이미지|사진|그림)(?:를|을)?\s*(?:제공|첨부|업로드|공유|보내)\s*(?:해|하여)?\s*(?:주|주시)"
    r"|(?:AI|인공지능|인공 지능|언어\s*모델)(?:\s*(?:모델|비서|어시스턴트))?(?:로서|으로서|이라서|이라|라서|"
    r"이므로|이기|입니다|이에요)"
    r"|(?:도와|답해|답변해|설명해|제공해|말씀해|말해|알려|작성해)\s*(?:드릴|줄)\s*수\s*(?:가\s*)?없|(?:답변|답|"
    r"대답|응답|도움)(?:을|를)?\s*(?:드릴|할|줄)\s*수\s*(?:가\s*)?없"
    r"|(?:처리|수행|생성|진행|제공|설명|묘사)할\s*수\s*(?:가\s*)?없"
)


def source_words(text: str) -> str:
    """The words by which a text names captions, boxes or given facts as its source; "" if it does not."""
    found = SOURCE.search(text) or SOURCE_KO.search(text)
    return found[0].strip() if found else ""


def refusal_words(text: str) -> str:
    """The words by which a text refuses, "" if it does not."""
    found = REFUSAL.search(text) or REFUSAL_KO.search(text)
    return found[0].strip() if found else ""
