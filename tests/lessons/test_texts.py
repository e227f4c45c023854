"""The two catalogues say the same things."""

import re

import pytest

from cxdemo.lessons.texts import LANGUAGES, read_texts

EN, ZH = (read_texts(name) for name in LANGUAGES.values())
HAN = re.compile(r"[\u4e00-\u9fff]")
# Names and formulas that are the same in both languages.
SAME = {"language", "other", "fails.sky.help", "table.misaligned.before", "table.misaligned.paper"}
TERMS = ("上下文损失", "相对距离", "带宽 h", "感知损失", "未对齐数据")


def test_both_catalogues_have_the_same_keys():
    assert list(EN) == list(ZH)


@pytest.mark.parametrize("key", list(EN))
def test_a_text_has_the_same_numbers_in_both_and_is_translated(key):
    marks = [sorted(re.findall(r"\{(\w+)\}", text)) for text in (EN[key], ZH[key])]
    assert marks[0] == marks[1]
    assert EN[key].strip()
    assert not HAN.search(EN[key]) or key == "other"
    assert HAN.search(ZH[key]) or key in SAME


@pytest.mark.parametrize("key", list(EN))
def test_the_same_parts_of_the_picture_light_up(key):
    named = [sorted(re.findall(r"\[\[(\w+):", text)) for text in (EN[key], ZH[key])]
    assert named[0] == named[1]


@pytest.mark.parametrize("term", TERMS)
def test_the_fields_terms_are_used(term):
    assert any(term in text for text in ZH.values())


def test_chinese_has_chinese_punctuation():
    spaced = [key for key, text in ZH.items() if re.search(r"[\u4e00-\u9fff][,;:?!]", text)]
    assert spaced == []
