"""What verifying finds, in words. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

WORDS: Final = {
    "edited": "记账内容与入树时不符",
    "gone": "记账已不存在",
    "hash": "叶的哈希被改写",
    "mark": "叶不是系统写在此处的",
    "gap": "叶的序号缺失",
    "tail": "末尾的叶缺失",
    "tile": "树的节点被改写或缺失",
    "root": "与已签名的根不符",
    "order": "叶的次序与记账次序不符",
    "unlisted": "记账没有入树",
    "waiting": "待入树的记账与内容不符",
    "numbers": "账目的记账序号不连续",
    "orphan": "记账没有账目",
    "old_date": "记账日期早于此前已签名的检查点",
    "text": "文本与签名时不符",
    "text_gone": "文本被删除，且无删除记录",
    "closing": "结账记录与签名时不符",
    "tree": "树与前一棵树的接续不符",
    "checkpoint": "检查点有误",
    "known": "与已知检查点不符",
    "stale": "检查点缺失或陈旧",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that isn't as it was signed. `kind`: a key of WORDS; `id`, `number`: the posting, or a document.
    `last`: where it is one of the leaves `index` to `last`."""

    kind: str
    said: str
    tree: int = 0
    index: int | None = None
    id: str | None = None
    number: int | None = None
    last: int | None = None

    @property
    def place(self) -> tuple[int, int, bool, str, int]:
        """Sorts the first leaf first; one that is told exactly before a span that holds it; what is in no tree last."""
        at = self.last if self.last is not None else self.index if self.index is not None else 1 << 62
        return (self.tree or 1 << 15, at, self.last is not None, self.id or "", self.number or 0)

    def __str__(self) -> str:
        """One line."""
        where = f"树 {self.tree} 第 {self.index} 叶" if self.index is not None else ""
        of = f"账目 {self.id} 第 {self.number} 笔" if self.number else f"文书 {self.id}" if self.id else ""
        return "，".join(part for part in (where, of, WORDS[self.kind], self.said) if part)
