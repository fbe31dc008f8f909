"""Makes the standard library and psycopg2 cooperative. Import it before anything else in a service process."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import eventlet

eventlet.monkey_patch()
