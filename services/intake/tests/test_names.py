"""Names of persons in texts: found by what stands around them, left alone where nothing says that they are names."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jiayuan.intake import names, people
from jiayuan.intake.text import normal

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("typed", "masked"),
    [
        # What the writer says of himself.
        ("您好！我叫李明轩，家住西关社区", "您好！我叫李**，家住西关社区"),
        ("我叫張曉燕", "我叫张**"),
        ("我叫陈伟，男，四十岁", "我叫陈*，男，四十岁"),
        ("我叫王小刚住在旺海社区", "我叫王**住在旺海社区"),
        ("本人黄志强，身份证号见附件", "本人黄**，身份证号见附件"),
        ("我的名字叫欧阳雪梅，今年三十岁", "我的名字叫欧阳**，今年三十岁"),
        ("我是吴晓丽，1979年生", "我是吴**，1979年生"),
        ("姓名：司马清风", "姓名：司马**"),
        ("姓名:买买提·艾力，男", "姓名:买**·**，男"),
        # Roles, with a colon and without.
        ("投诉人：周建国 电话见下", "投诉人：周** 电话见下"),
        ("联系人林芳", "联系人林*"),
        ("被投诉人:李建，投诉事由如下", "被投诉人:李*，投诉事由如下"),
        ("法定代表人为宋林琪，注册地在县城", "法定代表人为宋**，注册地在县城"),
        ("村民陈阳向的鱼塘被填", "村民陈**的鱼塘被填"),
        ("我妻子刘丽芳是本地人", "我妻子刘**是本地人"),
        ("我孙子（孔晨歌）在医院", "我孙子（孔**）在医院"),
        # Titles on either side of a whole name.
        ("请找李建平医生处理", "请找李**医生处理"),
        ("刘海燕女士说已经修好", "刘**女士说已经修好"),
        ("村支书王辉义在会上说", "村支书王**在会上说"),
        ("环保局局长陈度怀去现场看过", "环保局局长陈**去现场看过"),
        ("数学老师叫欧阳嫦英，住在校内", "数学老师叫欧阳**，住在校内"),
        ("我爸章五成在医院", "我爸章**在医院"),
        ("少年名叫（赵湾）", "少年名叫（赵*）"),
        # A number or the sex behind it.
        ("周兰艳，女，住在二组", "周**，女，住在二组"),
        ("杨义云（身份证号码后补）", "杨**（身份证号码后补）"),
        ("黄桃安电话0593-8812345", "黄**电话059****2345"),
        # The end of a letter.
        ("请尽快处理。此致敬礼！张小琼 2026年3月2日", "请尽快处理。此致敬礼！张** 2026年3月2日"),
        ("望领导重视。周明华", "望领导重视。周**"),
        ("谢谢！林某，陈红晓2026.3.2", "谢谢！林某，陈**2026.3.2"),
        ("恳请解决\n\n王跃世敬上", "恳请解决\n\n王**敬上"),
        # Lists, and the same name again without a cue.
        ("举报人：余中华、王才茂、张庆国", "举报人：余**、王**、张**"),
        ("房子是丁英先、王正国、薛祥庆等人的", "房子是丁**、王**、薛**等人的"),
        ("本组肖和均，肖利红，肖运鸿，要四万元", "本组肖**，肖**，肖**，要四万元"),
        ("我叫李明轩。社区的人都认识李明轩", "我叫李**。社区的人都认识李**"),
    ],
)
def test_names_are_masked_to_the_surname(typed: str, masked: str) -> None:
    assert people.mask(normal(typed)) == masked


@pytest.mark.parametrize(
    "typed",
    [
        # Said in a form that names nobody already.
        "王先生和李女士都在场",
        "张局长您好",
        "刘某某说过",
        "李**说过",
        # Words and places that begin like names.
        "我是高三学生，我是张家界人",
        "本人于2014年购房，本人万分感谢",
        "业主高兴，居民平安，学生安全",
        "我是金山小区业主",
        "村民李家湾组的路坏了",
        "职工和老师都反映，家长和学生也有意见",
        "负责人通告停工，患者生死未卜",
        "教师晋升高级职称，居民楼中非法营业",
        "老师张贴通知，学生成绩中等",
        "有关行政主管部门的主任和我们说了",
        "县委书记向上级反映，主任应该处理",
        "谢谢！望解决",
        "感谢领导！万分感谢",
        "有梅溪湖，石燕湖，潘家园，也有陈老师、肖老师、刘老师",
        "东方花园、黄河路、温泉社区、龙首社区、旺海社区",
        "请领导重视。高度重视",
        "姓名权、名誉权受侵害",
        "联系人和联系电话要填全",
        "法人方式落户",
        "孙子上学的问题",
    ],
)
def test_what_is_no_name_is_left_alone(typed: str) -> None:
    assert people.mask(normal(typed)) == normal(typed)


def test_a_name_in_the_text_is_masked_in_the_title_too() -> None:
    text, title = people.mask_together("我叫李明轩，路灯坏了。", "李明轩反映路灯")
    assert (text, title) == ("我叫李**，路灯坏了。", "李**反映路灯")


def test_places_are_offsets_in_order_without_overlaps() -> None:
    text = normal("投诉人：余中华、王才茂。欧阳雪梅医生，周兰艳，女，我叫余中华")
    found = names.find(text)
    assert [text[a:b] for a, b in found] == ["余中华", "王才茂", "欧阳雪梅", "周兰艳", "余中华"]
    assert all(a < b <= c for (a, b), (c, _) in itertools.pairwise(found))


@pytest.mark.parametrize(
    "text", ["", "我叫", "姓名：", "本人", "此致敬礼", "、王", "男", "（男）", "\ud800我叫李明轩"]
)
def test_nothing_around_a_cue_is_no_error(text: str) -> None:
    assert isinstance(names.find(text), list)


CUES = st.sampled_from(
    [
        "我叫",
        "投诉人：",
        "李",
        "欧阳",
        "明轩",
        "、",
        "，",
        "医生",
        "身份证",
        "男",
        "(",
        "此致敬礼",
        "13800138000",
        "·",
    ]
)


@given(st.lists(CUES | st.text(max_size=3), max_size=12).map("".join))
def test_any_text_is_masked_within_its_bounds_and_once(text: str) -> None:
    spans = people.find(text)
    assert all(0 <= s.start < s.end <= len(text) for s in spans)
    assert all(a.end <= b.start for a, b in itertools.pairwise(spans))
    masked = people.mask(text)
    assert (masked == text) or "*" in masked


def test_the_rules_are_loaded_whole() -> None:
    rules = names.bundled()
    assert len(rules.surnames) > 300
    assert len(rules.given) > 800
    assert not rules.given & rules.never
    assert rules.sure <= rules.surnames
    assert all(len(d) == 2 for d in rules.double)
