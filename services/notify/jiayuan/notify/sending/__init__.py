"""Sending: claim, write the request id, commit, call, record.

No transaction is open during a call. What was submitted and has no recorded answer is never sent again before the
provider was asked, and always under the same request id there, which is the provider's idempotency key.
"""

from .engine import Sender, of
from .lane import Lane

__all__ = ["Lane", "Sender", "of"]
