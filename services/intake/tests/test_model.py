"""The trained classifier: its features, its file, what it refuses, and what it learns from made-up messages."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from jiayuan.intake import category, classifier, model, report, training
from jiayuan.intake.classifier import Classifier
from jiayuan.intake.cli import intake as commands
from jiayuan.intake.model import BadModel, Model

pytestmark = pytest.mark.unit

REAL = Path(__file__).resolve().parents[4] / "shared" / "data" / "messages_labelled.jsonl"
SUBJECTS = {
    "04": ["出租车拒载", "快递丢了", "公交不停站", "高速收费站排队"],
    "06": ["老师补课收费", "学校食堂", "幼儿园学位", "中考分数线"],
    "08": ["工资拖欠", "社保断缴", "退休金少发", "加班没有补休"],
}
TALK = ["请领导关注", "多次反映没有答复", "希望尽快处理", "谢谢", "住在附近的人都知道", "已经三个月了"]


def messages(number: int = 150) -> list[dict[str, str]]:
    """Made-up messages of three labels that are codes of the catalogue."""
    dice = random.Random(7)
    out = []
    for n in range(number):
        label = sorted(SUBJECTS)[n % 3]
        words = dice.sample(SUBJECTS[label], 2) + dice.sample(TALK, 3)
        dice.shuffle(words)
        place = "".join(dice.choice("东南西北上下前后里外") for _ in range(12))
        out.append({"title": words[0], "detail": f"{place}，" + "，".join(words), "label": label})
    return out


def examples(number: int = 150) -> list[training.Example]:
    made = [training.example(m["title"], m["detail"], m["label"], n) for n, m in enumerate(messages(number))]
    return training.with_groups(made, None)


@pytest.fixture(scope="module")
def packed() -> bytes:
    catalogue = category.bundled()
    found = examples()
    figures = training.evaluate(found, folds=3, bits=14)
    names = {c.code: c.name for c in catalogue.categories.values()}
    codes = classifier.codes_of(SUBJECTS, {}, catalogue)
    return training.train(found, codes, names, figures=figures, origin={"file": "made up"}, bits=14)


@pytest.fixture(scope="module")
def trained(packed: bytes) -> Model:
    return model.unpack(packed, "made up")


def test_a_bag_holds_every_run_of_one_to_four_characters_once() -> None:
    said = "路灯坏了，路灯不亮"
    rows, count = model.bag(said, 0, 32)
    runs = Counter(said[i : i + n] for n in range(1, 5) for i in range(len(said) - n + 1))
    assert len(rows) == len(runs)  # with 32 bits no two share a row
    assert sorted(count) == sorted(runs.values())
    assert count.sum() == sum(runs.values())


@pytest.mark.parametrize("said", ["", "一", "ab", "\U0001f600\ud800", "灯" * 5000])
def test_any_text_has_a_bag(said: str) -> None:
    rows = model.grams(said, 1, 20) if said else np.zeros(0)
    assert len(rows) == sum(max(0, len(said) - n) for n in range(min(4, len(said))))
    if said:
        _, count = model.bag(said, 1, 20)
        assert count.sum() == len(rows)


def test_title_and_text_speak_apart() -> None:
    assert set(model.bag("路灯", 0, 20)[0]).isdisjoint(model.bag("路灯", 1, 20)[0])


def test_it_learns_and_is_sure(trained: Model) -> None:
    guess = trained.guess("出租车", "司机拒载，快递也丢了")
    assert guess.label == "04"
    assert guess.confidence > 0.8
    assert sum(guess.probabilities.values()) == pytest.approx(1, abs=1e-4)
    assert trained.guess("", "老师要我们补课，收费").label == "06"


def test_of_what_it_never_saw_it_is_not_sure(trained: Model) -> None:
    guess = trained.guess("", "qwertz")
    assert guess.confidence < 0.6


def test_it_says_why(trained: Model) -> None:
    pro, contra = trained.reasons("", "出租车拒载，老师")
    assert all(r.weight > 0 for r in pro)
    assert all(r.weight < 0 for r in contra)
    assert any(r.words in "出租车拒载" for r in pro[:3])
    assert [r.weight for r in pro] == sorted((r.weight for r in pro), reverse=True)
    for a in pro:
        assert not any(a is not b and a.words in b.words for b in pro)


def test_the_file_carries_its_data_and_its_figures(trained: Model) -> None:
    document = trained.document
    assert document["training"]["digest"] == training.digest_of(examples())
    assert trained.version.endswith(document["training"]["digest"][:8])
    assert document["training"]["messages"] == 150
    assert document["figures"]["macro_f1"] > 0.95
    assert document["figures"]["folds"] == 3
    assert document["code_names"]["04"] == category.bundled().categories["04"].name


def test_a_file_is_mapped_and_says_the_same(packed: bytes, trained: Model, tmp_path: Path) -> None:
    path = tmp_path / "one.model"
    path.write_bytes(packed)
    loaded = model.load(path)
    assert loaded.digest == trained.digest
    assert loaded.guess("公交不停站", "谢谢") == trained.guess("公交不停站", "谢谢")


def test_the_digest_of_the_data_knows_no_order() -> None:
    found = examples()
    assert training.digest_of(found) == training.digest_of(found[::-1])
    assert training.digest_of(found) != training.digest_of(found[1:])


def _header_changed(packed: bytes, **changes: Any) -> bytes:
    size = int.from_bytes(packed[:8], "little")
    header = json.loads(packed[8 : 8 + size])
    document = {**json.loads(header["__metadata__"]["jiayuan"]), **changes}
    header["__metadata__"]["jiayuan"] = json.dumps(document, ensure_ascii=False)
    head = json.dumps(header, ensure_ascii=False).encode()
    return len(head).to_bytes(8, "little") + head + packed[8 + size :]


def test_a_file_that_is_no_model_is_refused(packed: bytes, tmp_path: Path) -> None:
    damaged = bytearray(packed)
    damaged[-7] ^= 1
    for raw, why in (
        (b"", "header"),
        (b"not a model at all", "header"),
        (packed[:5000], "header|damaged"),
        (packed[:-4], "damaged"),
        (bytes(damaged), "damaged"),
        (b"\x10" + b"\0" * 7 + b'{"a": "b"}      ', "train"),
        (_header_changed(packed, format="jiayuan-category/9"), "reads 'jiayuan-category/1'"),
        (_header_changed(packed, bits=15), "not whole"),
        (_header_changed(packed, labels=["04"]), "not whole"),
        (_header_changed(packed, version=None, labels=None), "not whole"),
    ):
        with pytest.raises(BadModel, match=why):
            model.unpack(raw, "f")
    with pytest.raises(BadModel, match="can't be read"):
        model.load(tmp_path / "nothing.model")
    (tmp_path / "empty.model").touch()
    with pytest.raises(BadModel, match="can't be read"):
        model.load(tmp_path / "empty.model")


def test_a_model_of_another_catalogue_is_refused_and_changes_nothing(packed: bytes, trained: Model) -> None:
    other = Classifier(category.bundled(), trained)
    for changes, why in (
        ({"codes": {"04": ["0499"], "06": ["06"], "08": ["08"]}}, "0499, which this catalogue doesn't have"),
        ({"code_names": {"04": "别的", "06": "教育文体", "08": "劳动与社会保障"}}, "04 was 别的"),
        ({"codes": {"04": ["04"], "06": ["06"]}}, "08 stands for no code"),
    ):
        with pytest.raises(BadModel, match=why):
            other.use(model.unpack(_header_changed(packed, **changes), "f"))
        assert other.model is trained


def test_the_model_decides_and_keywords_choose_the_leaf(trained: Model) -> None:
    by = Classifier(category.bundled(), trained)
    guess = by.classify("快递丢了", "派件的人说丢件了，老师")
    assert (guess.method, guess.category.code, guess.label) == ("model", "0410", "04")
    assert guess.confidence == pytest.approx(
        trained.guess("快递丢了", "派件的人说丢件了，老师").confidence, abs=1e-4
    )
    assert dict(guess.why)["快递"] > 0
    # No keyword of that label: its first code.
    assert by.classify("", "拖欠补休").category.code == "08"


def test_what_no_label_covers_is_the_keywords_own(trained: Model) -> None:
    by = Classifier(category.bundled(), trained)
    guess = by.classify("海漂垃圾", "海漂垃圾堆满了沙滩，请清理海漂垃圾")
    assert (guess.category.parent, guess.method) == ("13", "keywords")


def test_what_the_sender_gave_is_believed_before_the_model(trained: Model) -> None:
    by = Classifier(category.bundled(), trained)
    assert by.classify("快递丢了", "快递", given="0102").method == "given"


def test_without_a_model_keywords_decide(trained: Model) -> None:
    by = Classifier(category.bundled(), trained)
    by.use(None)
    assert by.classify("路灯不亮", "").method == "keywords"


def test_danger_is_seen_however_sure_the_model_is(trained: Model) -> None:
    rules = report.Rules(
        report.rules().gazetteer, category.bundled(), Classifier(category.bundled(), trained)
    )
    said = "快递点着火了，快递都烧了，公交不停站，出租车拒载"
    clean = report.clean(report.Submission("hotline", said, title="快递"), rules)
    assert clean.guess.method == "model"
    assert clean.guess.confidence > 0.8
    assert [s.code for s in clean.signs] == ["fire"]
    assert (clean.importance, clean.urgency) == (3, 3)


def test_near_duplicates_are_one_group_and_others_are_not() -> None:
    first = (
        "龙津社区听雨街的路灯坏了三盏，晚上漆黑一片，老人出门摔倒过，请尽快派人修复，已经反映多次没有答复。"
    )
    texts = [
        first,
        first.replace("三盏", "四盏") + "谢谢！",
        "龙首社区的幼儿园什么时候开始报名，需要哪些材料，外地户口能不能上，请问电话是多少。",
        first,
        "公司拖欠工资三个月，多次讨要没有结果，请劳动监察部门介入处理，我们一共十二个人。",
        "",
        "",
    ]
    groups = training.near_duplicates(texts)
    assert groups[0] == groups[1] == groups[3]
    assert len(set(groups)) == 5


def test_a_group_never_crosses_a_split(monkeypatch: pytest.MonkeyPatch) -> None:
    found = examples(90)
    found = [training.Example(e.title, e.text, e.label, e.row, e.row // 6) for e in found]
    seen: list[tuple[set[int], set[int]]] = []
    folds = training._folds

    def spied(y: Any, groups: Any, n: int, seed: int) -> Any:
        out = folds(y, groups, n, seed)
        seen.extend((set(groups[a].tolist()), set(groups[b].tolist())) for a, b in out)
        return out

    monkeypatch.setattr(training, "_folds", spied)
    training.evaluate(found, folds=3, bits=12)
    assert len(seen) == 3 + 3 * 5
    assert all(a.isdisjoint(b) for a, b in seen)


@pytest.mark.skipif(not REAL.exists(), reason=f"{REAL.name} is not here")
def test_real_messages_are_told_apart() -> None:
    """One fold of the real messages, none of its near duplicates learned from. `evaluate` has all the figures."""
    read = [training.example(*m) for m in training.read_messages(REAL)]
    found = training.with_groups(read, REAL.with_name("messages_labelled.groups.csv"))
    y, groups = training._numbers(found, training.check_enough(found, 5))
    train, test = training._folds(y, groups, 5, 0)[0]
    counts = training.counts(found)
    scores = training.learn(counts, y, train).scores(counts, test)
    assert training._macro_f1(y[test], scores.argmax(1), 7) >= 0.91


def test_figures_count_what_was_right() -> None:
    y = np.array([0, 0, 1, 1])
    sure = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]], np.float32)
    found = training._figures(y, y, [sure], [0.75], ["a", "b"], 2, [0])
    assert found.accuracy == 0.75
    assert found.by_label["a"] == {"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "messages": 2}
    assert found.confusion == {"a": {"a": 1, "b": 1}, "b": {"b": 2}}
    # 0.9 was right, 0.6 was wrong, 0.8 and 0.7 were right: the gaps, each a quarter.
    assert found.expected_calibration_error == pytest.approx((0.1 + 0.6 + 0.2 + 0.3) / 4, abs=1e-6)
    assert found.sure_accuracy == 1.0
    assert found.sure_threshold == pytest.approx(0.4)


def test_groups_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "g.csv"
    path.write_text("row,neardup_group\n0,5\n1,5\n2,6\n", encoding="utf-8")
    said = ("路灯坏了没有人修理", "公园里要一张长椅子", "路灯坏了没有人修理", "老师收费补课的问题")
    found = [training.Example("", t, "x", n) for n, t in enumerate(said[:3])]
    correction = training.Example("", said[3], "x", -1)
    groups = [e.group for e in training.with_groups([*found, correction], path)]
    # 0 and 1 by the file, 0 and 2 since they say the same, and the correction alone.
    assert groups[0] == groups[1] == groups[2] != groups[3]
    with pytest.raises(BadModel, match="no group for 1 messages, the first is row 9"):
        training.with_groups([*found, training.Example("", "a", "x", 9)], path)
    path.write_text("row,neardup_group\n0,x\n", encoding="utf-8")
    with pytest.raises(BadModel, match="line 2: must hold two numbers"):
        training.with_groups(found, path)


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.jsonl", '{"title": "a", "label": "x"}\n', "line 1: no text; its columns are title, label"),
        ("a.jsonl", '{"text": "a", "label": "x"}\n{"text": "a"}\n', "line 2: label is empty"),
        ("a.jsonl", '{"text": 5, "label": "x"}\n', "line 1: text is no text"),
        ("a.jsonl", "[1]\n", "line 1: not a JSON object"),
        ("a.jsonl", "{\n", "line 1: not JSON"),
        ("a.jsonl", "", "holds no message"),
        ("a.csv", "text,label\na,\n", "line 2: label is empty"),
        ("b.jsonl", None, "can't be read"),
    ],
)
def test_what_can_not_be_learned_from_is_named(
    tmp_path: Path, name: str, content: str | None, why: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(BadModel, match=why):
        training.read_messages(path)


def test_columns_by_their_usual_names_or_by_option(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("留言主题,留言详情,一级标签\n灯,坏了,04\n", encoding="utf-8-sig")
    assert training.read_messages(path) == [("灯", "坏了", "04", 2)]
    path.write_text("t,b,c\n灯,坏了,04\n", encoding="utf-8")
    named = {"title": "t", "text": "b", "label": "c"}
    assert training.read_messages(path, columns=named) == [("灯", "坏了", "04", 2)]
    with pytest.raises(BadModel, match="no title"):
        training.read_messages(path, columns={**named, "title": "x"})


def test_labels_must_stand_for_something(tmp_path: Path) -> None:
    catalogue = category.bundled()
    with pytest.raises(BadModel, match="no code of the catalogue for the label"):
        classifier.codes_of(["怪事"], {}, catalogue)
    with pytest.raises(BadModel, match="0499"):
        classifier.codes_of(["怪事"], {"怪事": ("0499",)}, catalogue)
    path = tmp_path / "l.yaml"
    for content, why in (
        ("a: [", "not YAML"),
        ("a: 1", "`labels` is missing"),
        ("labels: {a: [4]}", "in quotes"),
    ):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(BadModel, match=why):
            classifier.read_labels(path)


def test_the_labels_that_come_with_intake_fit_its_catalogue() -> None:
    catalogue = category.bundled()
    labels = classifier.bundled_labels()
    assert len(labels) == 7
    assert classifier.codes_of(labels, labels, catalogue) == labels


def test_a_correction_belongs_to_the_label_of_its_code() -> None:
    catalogue, labels = category.bundled(), classifier.bundled_labels()
    assert classifier.label_of("0601", labels, catalogue) == "教育文体"
    assert classifier.label_of("0102", labels, catalogue) == "城乡建设"
    assert classifier.label_of("1302", labels, catalogue) is None
    assert classifier.label_of("9999", labels, catalogue) is None


def test_train_evaluate_explain_by_command(tmp_path: Path) -> None:
    data, out = tmp_path / "m.jsonl", tmp_path / "m.model"
    data.write_text("".join(json.dumps(m, ensure_ascii=False) + "\n" for m in messages()), encoding="utf-8")
    run = CliRunner()
    measured = run.invoke(commands, ["evaluate", str(data), "--folds", "3"])
    assert measured.exit_code == 0, measured.output
    assert "macro-F1" in measured.output
    assert "messages a second on one core" in measured.output
    as_json = run.invoke(commands, ["evaluate", str(data), "--folds", "3", "--json"])
    figures = json.loads(as_json.output)
    assert figures["rows"] == 150
    made = run.invoke(commands, ["train", str(data), "--folds", "3", "--out", str(out)])
    assert made.exit_code == 0, made.output
    assert model.load(out).document["figures"]["macro_f1"] == pytest.approx(figures["macro_f1"])
    said = run.invoke(commands, ["explain", "出租车拒载，快递丢了", "--model", str(out)])
    assert said.exit_code == 0, said.output
    assert "（model）" in said.output
    assert "支持04" in said.output
    wrong = run.invoke(commands, ["explain", "灯", "--model", str(data)])
    assert wrong.exit_code == 2
    assert "is no model" in wrong.output
    missing = run.invoke(commands, ["train", str(tmp_path / "x.jsonl")])
    assert missing.exit_code == 2
    assert "can't be read" in missing.output
