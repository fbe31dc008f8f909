"""A typhoon's hour at a hundred times the normal rate, then every clock counted again: `make storm`.

    python -m bench.storm [--minutes 60] [--alert-at 5] [--times 100] [--speed 12] [--seed 1]

`jiayuan.local.storm` says what is sent, what people do, and what is checked. Exit code 1 when anything doesn't hold.
"""

from __future__ import annotations

import sys

from jiayuan.local.storm import main

if __name__ == "__main__":
    sys.exit(main())
