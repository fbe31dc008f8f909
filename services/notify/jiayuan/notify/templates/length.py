"""How long a short message is, as carriers count it. Pure.

Chinese carriers send what holds a Chinese character as UCS-2: 140 bytes are 70 units of UTF-16, and of a longer text
each part gives 3 units to the header that joins them again, which leaves 67 (3GPP TS 23.040, 9.2.3.24.1). The signature
【…】 counts, and a letter counts as much as a character (https://www.ihuyi.com/faqs/1960.html).
"""

from __future__ import annotations

from typing import Final

ONE: Final = 70
"""Units of a message that is sent in one part."""
EACH: Final = 67
"""Units of each part of a longer one."""


def units(text: str) -> int:
    """Length in UTF-16 units: a character outside of the basic plane counts twice."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def segments(text: str) -> int:
    """How many parts are sent and paid for; an empty text is one."""
    length = units(text)
    return 1 if length <= ONE else -(-length // EACH)
