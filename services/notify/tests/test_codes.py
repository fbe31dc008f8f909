"""Vendors' codes as data, and the page that shows them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from tencentcloud.sms.v20210111 import errorcodes

from jiayuan.notify.providers import codes, configuration, page

pytestmark = pytest.mark.unit

PAGE = Path(__file__).parents[3] / "docs/notify/providers.md"
NOW = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
LEAST: dict[str, Any] = {"source": ["x"], "receipts": {"default": {"kind": "undelivered"}}}


def test_the_page_shows_the_data() -> None:
    """If not: `make definitions`."""
    assert page.main([str(PAGE), "--check"]) == 0


def test_a_page_that_lags_behind_is_found_and_written(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text("a\n<!-- wechat -->\nold\n<!-- /wechat -->\nb\n", encoding="utf-8")
    assert page.main([str(file), "--check"]) == 1
    assert page.main([str(file)]) == 0
    assert page.main([str(file), "--check"]) == 0
    assert "43101" in file.read_text(encoding="utf-8")


def test_the_example_on_the_page_can_be_read(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    secrets = {
        "push_key": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY",
        "hook": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3",
        "receipts": "p" * 24,
    }
    folders = "/run/secrets", "/etc/jiayuan-providers"
    for path in re.findall(rf"(?:{'|'.join(folders)})/(\w+)", example):
        value = next((v for k, v in secrets.items() if k in path), "a-secret")
        (tmp_path / path).write_text(value, encoding="utf-8")
    for folder in folders:
        example = example.replace(folder, str(tmp_path))
    document = yaml.safe_load(example)
    entries = configuration.read(document, {"ALIYUN_KEY_ID": "a", "TENCENT_SECRET_ID": "t"})
    assert {e.kind for e in entries} == set(configuration.FIELDS)


@pytest.mark.parametrize("vendor", codes.VENDORS)
def test_every_vendors_codes_load(vendor: str) -> None:
    found = codes.bundled(vendor)
    assert found.source
    assert found.send.get("a code of next year").kind == "throttled"
    assert found.receipts.get("").kind == "undelivered"


def test_every_code_that_tencents_sdk_knows_means_something() -> None:
    """Codes of other actions (signatures and templates that are applied for) may fall to a prefix, none to default."""
    known = [v for k, v in vars(errorcodes).items() if k.isupper()]
    table = codes.bundled("tencent").send
    lost = [code for code in known if table.get(code) is table.entries["default"].meaning]
    assert len(known) > 80
    assert lost == []


def test_the_longest_prefix_counts() -> None:
    table = codes.bundled("tencent").send
    assert table.get("InternalError.Timeout").kind == "unknown"
    assert table.get("InternalError.A.B").kind == "throttled"
    assert table.get("AuthFailure.Whatever").kind == "misconfigured"
    assert codes.bundled("aliyun").send.get("Throttling.User").kind == "throttled"


def test_a_day_ends_at_midnight_in_china() -> None:
    meaning = codes.bundled("tencent").send.get("LimitExceeded.PhoneNumberDailyLimit")
    assert meaning.seconds(NOW) == 9 * 3600


@pytest.mark.parametrize(
    ("send", "said"),
    [
        ({"a": {"kind": "refused"}}, "x: send: default is missing"),
        ({"default": {"kind": "gone"}}, "x: send.default: kind is 'gone', allowed: content_refused"),
        ({"default": {"kind": "accepted"}}, "kind is 'accepted'"),
        ({"default": {"kind": "limited", "after": "week"}}, "after is 'week', allowed: day, or 0 to 86400"),
        ({"default": {"kind": "limited", "colour": 1}}, "colour is not known"),
    ],
)
def test_data_that_is_wrong_is_refused(send: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        codes.load(LEAST | {"send": send}, "x")
    with pytest.raises(ValueError, match="must have source, send and receipts"):
        codes.load({"send": send}, "x")
