"""Notify's tables.

Two clocks meet here. `at` and `state_at` are business time (they may run faster in a demonstration);
`due_at` and `submitted_at` are wall time, because they are about leases, back-off and time-outs of calls.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, UUID

from jiayuan.chassis import tables

metadata = sa.MetaData()
tables.add(metadata)
tables.add_limits(metadata)

_TIME: Final = sa.DateTime(timezone=True)

recipient = sa.Table(
    "recipient",
    metadata,
    sa.Column("type", sa.Text, primary_key=True),
    sa.Column("ref", sa.Text, primary_key=True),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("street", sa.Text, nullable=False),
    sa.Column("grid", sa.Text, nullable=False),
    sa.Column("contact", sa.Text),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column(
        "erased",
        sa.Boolean,
        nullable=False,
        server_default=sa.text("false"),
        comment="the citizen had the contact erased: none is kept any more",
    ),
    sa.Column("preferences", JSONB),
    info={"sealed": {"contact": "ref"}},
)

report = sa.Table(
    "report",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("tracking_code", sa.Text, nullable=False),
)

notice = sa.Table(
    "notice",
    metadata,
    sa.Column("id", UUID(as_uuid=False), primary_key=True),
    sa.Column("recipient_type", sa.Text, nullable=False),
    sa.Column("recipient", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("matter", sa.Text, nullable=False),
    sa.Column("step", sa.Text, nullable=False),
    sa.Column("template", sa.Text, nullable=False),
    sa.Column("template_version", sa.Integer, nullable=False),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("case_id", sa.Text),
    sa.Column("report_id", sa.Text),
    sa.Column("street", sa.Text, nullable=False),
    sa.Column("parameters", JSONB, nullable=False),
    sa.Column("at", _TIME, nullable=False),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("traceparent", sa.Text, nullable=False),
    info={"grants": "SELECT, INSERT, DELETE"},
)

# How somebody's wishes came to be what they are; goes with the person.
preference_change = sa.Table(
    "preference_change",
    metadata,
    sa.Column("id", UUID(as_uuid=False), primary_key=True),
    sa.Column("recipient_type", sa.Text, nullable=False),
    sa.Column("recipient", sa.Text, nullable=False),
    sa.Column("at", _TIME, nullable=False),
    sa.Column("how", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("before", JSONB),
    sa.Column("after", JSONB),
    info={"grants": "SELECT, INSERT, DELETE"},
)

# How many notices somebody was sent today, over all templates; only where that could disturb anybody.
told = sa.Table(
    "told",
    metadata,
    sa.Column("type", sa.Text, primary_key=True),
    sa.Column("ref", sa.Text, primary_key=True),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("sent", sa.Integer, nullable=False),
    sa.Column("burst", sa.Integer, nullable=False),
    sa.Column("burst_at", _TIME, nullable=False),
)

# Answers by SMS whose people are looked for.
reply = sa.Table(
    "reply",
    metadata,
    sa.Column("id", UUID(as_uuid=False), primary_key=True),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("word", sa.Text, nullable=False),
    sa.Column("phone", sa.Text),
    sa.Column("at", _TIME, nullable=False),
    sa.Column("after", sa.Text, nullable=False),
    sa.Column("found", sa.Integer, nullable=False, server_default="0"),
    sa.Column("done_at", _TIME),
    info={"sealed": {"phone": "id"}},
)

# What changes of a notice, apart from what doesn't: its few changes then cost no wide row and no wide index.
# No change of `state` is heap-only, since it decides which partial index a row is in. Measured: two such changes take
# 0.1 ms, and as long with every index but the key gone and half of each page free; so the sweeps keep their indexes.
sending = sa.Table(
    "sending",
    metadata,
    sa.Column("notice_id", UUID(as_uuid=False), primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("state_at", _TIME, nullable=False),
    sa.Column("priority", sa.SmallInteger, nullable=False),
    sa.Column("due_at", _TIME, nullable=False),
    sa.Column("waits", sa.Integer, nullable=False, server_default="0"),
    sa.Column("awaits_recipient", sa.Text),
    sa.Column("awaits_report", sa.Text),
    sa.Column("version", sa.Integer, nullable=False, server_default="0"),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("provider", sa.Text),
    sa.Column("request_id", UUID(as_uuid=False)),
    sa.Column("provider_ref", sa.Text),
    sa.Column("submitted_at", _TIME),
    sa.Column("channel", sa.Text, nullable=False, server_default="sms"),
    sa.Column("hold_at", _TIME, comment="wall time: not by the same provider before this"),
    sa.Column("follow_at", _TIME, comment="wall time: looked at again then, for the next channel"),
    sa.Column("read_at", _TIME, comment="business time: opened or acknowledged by the person"),
    sa.Column("gathered_in", UUID(as_uuid=False), comment="the digest that stands for it"),
    sa.Column(
        "ready_at", _TIME, comment="wall time: it was held until then, by the night, a cap, a limit or a stop"
    ),
)

attempt = sa.Table(
    "attempt",
    metadata,
    sa.Column("id", UUID(as_uuid=False), primary_key=True),
    sa.Column("notice_id", UUID(as_uuid=False), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("request_id", UUID(as_uuid=False), nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("provider_ref", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("started_at", _TIME, nullable=False),
    sa.Column("ended_at", _TIME, nullable=False),
    sa.Column("channel", sa.Text, nullable=False, server_default="sms"),
    sa.Column("segments", sa.SmallInteger, comment="parts of a short message"),
    sa.Column("cost", sa.Numeric(12, 4), comment="yuan, by the price of its day"),
    info={"grants": "SELECT, INSERT, DELETE"},  # a record of calls is never changed; it goes with its notice
)

# Sent again by a person: kept beside the attempts, which are calls.
resend = sa.Table(
    "resend",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("notice_id", UUID(as_uuid=False), nullable=False),
    sa.Column("at", _TIME, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("request_id", UUID(as_uuid=False)),
    info={"grants": "SELECT, INSERT, DELETE"},
)

sink_message = sa.Table(
    "sink_message",
    metadata,
    sa.Column("request_id", UUID(as_uuid=False), primary_key=True),
    sa.Column("recipient", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("at", _TIME, nullable=False),
    info={"grants": "SELECT, INSERT, DELETE"},
)

wechat_token = sa.Table(
    "wechat_token",
    metadata,
    sa.Column("appid", sa.Text, primary_key=True),
    sa.Column("token", sa.Text, comment="sealed; one for all replicas"),
    sa.Column("until", _TIME),
    sa.Column("had_at", _TIME),
    sa.Column("forced_at", _TIME, comment="forced renewals are few a day"),
    info={"sealed": {"token": "appid"}},
)

# -- several providers at a time: shared by all replicas -----------------------------------------------

weight = sa.Table(
    "weight",
    metadata,
    sa.Column("provider", sa.Text, primary_key=True),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("rest", sa.Integer, nullable=False),
    sa.Column("points", sa.Integer, nullable=False),
    sa.Column("moved_at", _TIME),
    sa.Column("trouble_at", _TIME),
)

weight_change = sa.Table(
    "weight_change",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("before", sa.Integer, nullable=False),
    sa.Column("after", sa.Integer, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at", _TIME, nullable=False),
    info={"grants": "SELECT, INSERT"},
)

# What was counted of a provider in five seconds: accepted and quickly delivered ones at the time of their sending.
tally = sa.Table(
    "tally",
    metadata,
    sa.Column("provider", sa.Text, primary_key=True),
    sa.Column("at", _TIME, primary_key=True),
    sa.Column("accepted", sa.Integer, nullable=False, server_default="0"),
    sa.Column("errors", sa.Integer, nullable=False, server_default="0"),
    sa.Column("fast", sa.Integer, nullable=False, server_default="0"),
)

stop = sa.Table(
    "stop",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("at", _TIME, nullable=False),
    sa.Column("until", _TIME),
    sa.Column("ended_at", _TIME),
    sa.Column("ended_by", sa.Text),
    sa.Column("ended_reason", sa.Text),
)

alarm = sa.Table(
    "alarm",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("raised_at", _TIME, nullable=False),
    sa.Column("last_at", _TIME, nullable=False),
    sa.Column("times", sa.Integer, nullable=False),
    sa.Column("cleared_at", _TIME),
    sa.Column("cleared_by", sa.Text),
)

credit = sa.Table(
    "credit",
    metadata,
    sa.Column("person", sa.Text, primary_key=True, comment="a keyed digest of the openid"),
    sa.Column("template", sa.Text, primary_key=True, comment="the vendor's id of it"),
    sa.Column("balance", sa.Integer, nullable=False),
    sa.Column("changed_at", _TIME, nullable=False),
)

number_sent = sa.Table(
    "number_sent",
    metadata,
    sa.Column("provider", sa.Text, primary_key=True),
    sa.Column("number", sa.Text, primary_key=True, comment="a keyed digest of it"),
    sa.Column("sent", JSONB, nullable=False),
    sa.Column("until", _TIME, nullable=False, comment="from then on it limits nothing any more"),
)

# -- receipts ------------------------------------------------------------------------------------------

receipt_waiting = sa.Table(
    "receipt_waiting",
    metadata,
    sa.Column("id", UUID(as_uuid=False), primary_key=True, comment="of what it says"),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("request_id", sa.Text),
    sa.Column("provider_ref", sa.Text),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("code", sa.Text),
    sa.Column("at", _TIME),
    sa.Column("unsubscribed", sa.Boolean, nullable=False, server_default=sa.text("false")),
    sa.Column("heard_at", _TIME, nullable=False),
)

consent_heard = sa.Table(
    "consent_heard",
    metadata,
    sa.Column("person", sa.Text, primary_key=True, comment="a keyed digest of the openid"),
    sa.Column("template", sa.Text, primary_key=True, comment="the vendor's id of it"),
    sa.Column("at", _TIME, primary_key=True, comment="when WeChat says that it was"),
)

# -- what it cost and how quick it was -----------------------------------------------------------------

spending = sa.Table(
    "spending",
    metadata,
    sa.Column("provider", sa.Text, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True, comment="in the county's zone"),
    sa.Column("messages", sa.BigInteger, nullable=False),
    sa.Column("segments", sa.BigInteger, nullable=False),
    sa.Column("cost", sa.Numeric(14, 4), nullable=False),
)

COUNTS: Final = (
    "notices",
    "accepted",
    "accepted_10s",
    "delivered",
    "delivered_1m",
    "delivered_5m",
    "delivered_60m",
    "undelivered",
    "expired",
    "suppressed",
    "segments",
)

# Sums over notices that are gone; what is there is summed when it is asked for.
statistic = sa.Table(
    "statistic",
    metadata,
    sa.Column("hour", _TIME, primary_key=True),
    sa.Column("provider", sa.Text, primary_key=True),
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("template", sa.Text, primary_key=True),
    *(sa.Column(name, sa.BigInteger, nullable=False) for name in COUNTS),
    sa.Column("cost", sa.Numeric(14, 4), nullable=False),
)

# -- beside the provider's own list --------------------------------------------------------------------

reconciliation = sa.Table(
    "reconciliation",
    metadata,
    sa.Column("provider", sa.Text, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True, comment="in the county's zone"),
    sa.Column("after", UUID(as_uuid=False), nullable=False, comment="calls up to this one are looked at"),
    sa.Column("ours", sa.Integer, nullable=False, server_default="0"),
    sa.Column("theirs", sa.Integer, nullable=False, server_default="0"),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("due_at", _TIME, nullable=False),
    sa.Column("ended_at", _TIME),
    sa.Column("error", sa.Text, comment="why it could not be finished"),
)

difference = sa.Table(
    "difference",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False, comment="our request id; of what isn't ours, theirs"),
    sa.Column("notice_id", UUID(as_uuid=False)),
    sa.Column("ours", sa.Text),
    sa.Column("theirs", sa.Text),
    sa.Column("found_at", _TIME, nullable=False),
    sa.Column("settled_at", _TIME),
    sa.Column("settled_by", sa.Text),
    sa.Column("reason", sa.Text),
)
