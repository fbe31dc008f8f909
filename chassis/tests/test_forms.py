"""Forms: urlencoded in any charset, multipart with files, and what is neither."""

from __future__ import annotations

import io
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Response

from jiayuan.chassis import forms, web
from jiayuan.chassis.config import Settings
from jiayuan.chassis.errors import Problem

SETTINGS = Settings(service="intake", amqp_uri="", database_url="")
URLENCODED = "application/x-www-form-urlencoded"


def _read(body: bytes, kind: str) -> forms.Form:
    return forms.read(io.BytesIO(body), kind)


def _multipart(*parts: bytes) -> tuple[bytes, str]:
    return b"".join(b"--x\r\n" + p + b"\r\n" for p in parts) + b"--x--\r\n", "multipart/form-data; boundary=x"


@pytest.mark.parametrize(
    ("body", "charset", "text"),
    [
        ("d=%E8%B7%AF%E7%81%AF+%2B", "", "路灯 +"),
        ("d=%C2%B7%B5%C6", "; charset=gbk", "路灯"),
        ("d=caf%E9", "; charset=ISO-8859-1", "café"),
        ("d=路灯", "; charset=utf-8", "路灯"),
    ],
)
def test_urlencoded_in_its_charset(body: str, charset: str, text: str) -> None:
    assert _read(body.encode(), URLENCODED + charset).fields == [("d", text)]


def test_names_may_repeat_and_values_be_empty() -> None:
    assert _read(b"a[]=1&a[]=2&b=&c", URLENCODED).fields == [
        ("a[]", "1"),
        ("a[]", "2"),
        ("b", ""),
        ("c", ""),
    ]


def test_multipart_has_fields_and_files() -> None:
    body, kind = _multipart(
        b'Content-Disposition: form-data; name="d"\r\n\r\n' + "路灯".encode(),
        b'Content-Disposition: form-data; name="g"\r\nContent-Type: text/plain; charset=gbk\r\n\r\n'
        + "路灯".encode("gbk"),
        b'Content-Disposition: form-data; name="media"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n\x89P\0N',
        b'Content-Disposition: form-data; name="none"; filename=""\r\n\r\n',
    )
    form = _read(body, kind)
    assert form.fields == [("d", "路灯"), ("g", "路灯")]
    (upload,) = form.uploads
    assert (upload.name, upload.filename, upload.content_type) == ("media", "a.png", "image/png")
    assert upload.file.read() == b"\x89P\0N"


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"<!DOCTYPE a><a/>", "text/xml", 415),
        (b"{}", "application/json", 415),
        (b"a=1", "", 415),
        (b"a=1", URLENCODED + "; charset=klingon", 415),
        (b"a=1", URLENCODED + "; charset=zlib", 415),
        (b"a=" + b"1" * forms.MOST_TEXT, URLENCODED, 413),
        (
            *_multipart(b'Content-Disposition: form-data; name="a"\r\n\r\n' + b"1" * (forms.MOST_TEXT + 1)),
            413,
        ),
        (b"a=%ff", URLENCODED, 400),
        (b"a=%00", URLENCODED, 400),
        (b"a=1&" * 600, URLENCODED, 400),
        (b"a=1", "multipart/form-data", 400),
        (
            b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\nno end",
            "multipart/form-data; boundary=x",
            400,
        ),
        (
            _multipart(b'Content-Disposition: form-data; name="a"\r\n\r\n\xff')[0],
            "multipart/form-data; boundary=x",
            400,
        ),
    ],
)
def test_what_is_no_form_is_refused(body: bytes, kind: str, status: int) -> None:
    with pytest.raises(Problem) as caught:
        _read(body, kind)
    assert caught.value.status == status


@given(st.binary(max_size=300), st.sampled_from([URLENCODED, "multipart/form-data; boundary=x"]))
def test_any_body_is_read_or_refused(body: bytes, kind: str) -> None:
    for content in (body, b"--x\r\n" + body + b"\r\n--x--"):
        try:
            status = 200 if _read(content, kind) else 0
        except Problem as problem:
            status = problem.status
        assert status in (200, 400, 415)


class _Service:
    refusals: ClassVar[Any] = {
        "/old/": lambda _path, error: Response(f"<no>{error.status}</no>", error.status)
    }


def test_a_prefix_may_refuse_in_a_form_of_its_own() -> None:
    refuse = web.refusal_of(_Service)
    assert refuse(_call("/old/x"), Problem(404, "No")).get_data() == b"<no>404</no>"
    assert refuse(_call("/new/x"), Problem(404, "No")).content_type == "application/problem+json"

    def run(_call: Any) -> Any:
        raise RuntimeError("inside")

    call = web.Call(EnvironBuilder(path="/old/x").get_environ())
    response = web.dispatch({}, call, run, SETTINGS, (), "/old/x", "intake", refuse)
    assert (response.status_code, response.get_data()) == (500, b"<no>500</no>")


def _call(path: str, accept: str = "*/*") -> web.Call:
    return web.Call(EnvironBuilder(path=path, headers={"Accept": accept}).get_environ())


@pytest.mark.parametrize(
    ("accept", "page"),
    [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
        ("*/*", False),
        ("", False),
        ("application/json", False),
        ("application/json,text/html", False),
    ],
    ids=["browser", "any", "none", "json", "both"],
)
def test_a_browser_is_refused_with_a_page_and_a_program_with_a_problem(accept: str, page: bool) -> None:
    said = web.problem_document(_call("/x", accept), Problem(429, "Too many", headers={"Retry-After": "7"}))
    assert (said.status_code, said.headers["Retry-After"]) == (429, "7")
    assert said.mimetype == ("text/html" if page else "application/problem+json")
    assert ("请过 7 秒再试" in said.get_data(as_text=True)) is page


def test_a_body_may_be_as_large_as_its_entrypoint_says() -> None:
    def answer(most: int) -> Any:
        body, kind = _multipart(
            b'Content-Disposition: form-data; name="f"; filename="f"\r\n\r\n' + b"1" * web.MAX_BODY
        )
        builder = EnvironBuilder(method="POST", data=body, content_type=kind)
        call = web.Call(builder.get_environ())
        call.max_content_length = most
        return web.dispatch({}, call, lambda c: len(c.form_body().uploads), SETTINGS, (), "/", "intake")

    assert answer(web.MAX_BODY + 200).get_data() == b"1"
    refused = answer(web.MAX_BODY)
    assert refused.status_code == 413
    assert str(web.MAX_BODY) in refused.get_json()["detail"]
