"""Which rules nearly decided, and why they didn't. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from .policy import Matter, Policy, Rule

MOST: Final = 5
KINDS: Final[Mapping[str, Mapping[str, str]]] = {
    "zh": {
        "problem": "问题",
        "information": "信息",
        "consultation": "咨询",
        "appointment": "预约服务",
        "dispute": "纠纷",
        "wish": "微心愿",
        "praise": "表扬",
    },
    "en": {},
}
_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "zh": {
        "priority": "也符合，但优先级较低（{a}低于{b}）",
        "order": "也符合，但在表中排在后面",
        "category": "事项是{is}，而该条只管{wants}",
        "kind": "诉求类型是{is}，而该条只管{wants}",
        "sign": "没有{wants}的危险征兆",
        "place": "地点是{is}，而该条只管{wants}",
        "or": "、",
        "nowhere": "未知",
    },
    "en": {
        "priority": "matches as well, but has a lower priority ({a} below {b})",
        "order": "matches as well, but comes later in the table",
        "category": "the matter is {is}, the rule is for {wants}",
        "kind": "the report is a {is}, the rule is for {wants}",
        "sign": "there is no sign of {wants}",
        "place": "the place is {is}, the rule is for {wants}",
        "or": ", ",
        "nowhere": "unknown",
    },
}


@dataclass(frozen=True, slots=True)
class Names:
    """What codes are called, for people, in one language."""

    lang: str
    categories: Mapping[str, str]
    places: Mapping[str, str]
    signs: Mapping[str, str]

    def category(self, code: str) -> str:
        """A category by its code."""
        return f"{code} {self.categories.get(code, '')}".strip()

    def place(self, code: str) -> str:
        """A place by its code."""
        return self.places.get(code) or code or _WORDS[self.lang]["nowhere"]

    def kind(self, word: str) -> str:
        """A kind of report."""
        return KINDS[self.lang].get(word, word)


@dataclass(frozen=True, slots=True)
class Near:
    """A rule that nearly decided: the condition that failed ("" where it matches), and why, in words."""

    rule: Rule
    failed: str
    why: str


def near(policy: Policy, matter: Matter, fired: str, names: Names, most: int = MOST) -> list[Near]:
    """Rules that match as well but come later, and those of whose conditions one alone failed; the nearest first.

    A rule none of whose conditions holds isn't near, nor is the last one, which matches everything.
    """
    words, winner = _WORDS[names.lang], policy.rule(fired)
    found: list[tuple[int, int, Near]] = []
    for index, rule in enumerate(policy.rules):
        if rule.id == fired or rule.is_default:
            continue
        holds = _conditions(rule, matter)
        failed = [name for name, held in holds.items() if not held]
        if not failed:
            if winner is not None and winner.priority > rule.priority:
                why = words["priority"].format(a=rule.priority, b=winner.priority)
            else:
                why = words["order"]
            found.append((0, index, Near(rule, "", why)))
        elif len(failed) == 1 and len(holds) > 1 and (failed != ["category"] or "kind" in holds):
            # A place or a danger that isn't there is nearer than another matter; another matter of a place that
            # happens to be the same isn't near at all.
            rank = 1 + ("place", "sign", "kind", "category").index(failed[0])
            found.append((rank, index, Near(rule, failed[0], _why(rule, matter, failed[0], names))))
    return [n for _, _, n in sorted(found, key=lambda f: f[:2])[:most]]


def _conditions(rule: Rule, matter: Matter) -> dict[str, bool]:
    """Of the conditions that a rule has, which hold."""
    out = {}
    if rule.category is not None:
        out["category"] = matter.category.startswith(rule.category)
    if rule.kind is not None:
        out["kind"] = matter.kind in rule.kind
    if rule.sign is not None:
        out["sign"] = not rule.sign.isdisjoint(matter.signs)
    if rule.place is not None:
        out["place"] = matter.place.startswith(rule.place)
    return out


def _why(rule: Rule, matter: Matter, failed: str, names: Names) -> str:
    words = _WORDS[names.lang]

    def some(codes: Collection[str]) -> str:
        return words["or"].join(codes)

    if failed == "category":
        is_, wants = names.category(matter.category), some([names.category(c) for c in rule.category or ()])
    elif failed == "kind":
        is_, wants = names.kind(matter.kind), some([names.kind(k) for k in sorted(rule.kind or ())])
    elif failed == "sign":
        is_, wants = "", some([names.signs.get(s, s) for s in sorted(rule.sign or ())])
    else:
        is_, wants = names.place(matter.place), some([names.place(p) for p in rule.place or ()])
    return words[failed].format(**{"is": is_, "wants": wants})
