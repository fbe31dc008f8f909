"""Sign-in by an identity provider, against an issuer on loopback that rotates, lies and goes away."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from werkzeug.test import EnvironBuilder

from jiayuan.chassis import oidc, tokens, web
from jiayuan.chassis.config import Settings
from jiayuan.chassis.errors import Problem, StartError

pytestmark = pytest.mark.unit

SECRET = "for tests only, thirty-two or more characters"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SMALL_RSA = rsa.generate_private_key(public_exponent=65537, key_size=1024)
P256 = ec.generate_private_key(ec.SECP256R1())
P384 = ec.generate_private_key(ec.SECP384R1())
ED = ed25519.Ed25519PrivateKey.generate()


def jwk(key: Any, kid: str | None = None, **more: Any) -> dict[str, Any]:
    """The public half as the issuer publishes it."""
    algorithm = {
        rsa.RSAPrivateKey: jwt.algorithms.RSAAlgorithm,
        ec.EllipticCurvePrivateKey: jwt.algorithms.ECAlgorithm,
        ed25519.Ed25519PrivateKey: jwt.algorithms.OKPAlgorithm,
    }
    kind = next(a for k, a in algorithm.items() if isinstance(key, k))
    return {**json.loads(kind.to_jwk(key.public_key())), **({"kid": kid} if kid else {}), **more}


class Issuer:
    """An identity provider: what it publishes, and how often it was asked."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = [jwk(RSA, "r1"), jwk(P256, "e1"), jwk(ED, "d1")]
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.asked: list[str] = []
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked.append(self.path)
                status, body = issuer.answers.get(self.path) or (200, issuer._document(self.path))
                self.send_response(status)
                if status in (301, 302):
                    self.send_header("Location", "/keys")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def _document(self, path: str) -> bytes:
        if path == "/.well-known/openid-configuration":
            return json.dumps({"issuer": self.url, "jwks_uri": f"{self.url}/keys"}).encode()
        return json.dumps({"keys": self.keys}).encode()

    def fetched(self) -> int:
        return self.asked.count("/keys")

    def token(self, key: Any = RSA, alg: str = "RS256", kid: str | None = "r1", **changes: Any) -> str:
        """A good token, but for `changes`; a claim that is None is left out, `header_…` goes into the header."""
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.url,
            "aud": "jiayuan",
            "sub": "P000007",
            "iat": now,
            "exp": now + 300,
            "roles": ["desk"],
            "street": "350921001",
        }
        header = {k.removeprefix("header_"): v for k, v in changes.items() if k.startswith("header_")}
        claims |= {k: v for k, v in changes.items() if not k.startswith("header_")}
        claims = {k: v for k, v in claims.items() if v is not None}
        return jwt.encode(claims, key, alg, headers={**({"kid": kid} if kid else {}), **header})

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    yield made
    made.close()


def settings(issuer: Issuer, **changes: Any) -> Settings:
    made = Settings(service="probe", amqp_uri="", database_url="", token_secret=SECRET)
    return replace(made, **{"oidc_issuer": issuer.url, "oidc_audience": "jiayuan", **changes})


def refused(what: Callable[[], Any]) -> Problem:
    with pytest.raises(Problem) as caught:
        what()
    return caught.value


# -- good ones ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "alg", "kid"), [(RSA, "RS256", "r1"), (P256, "ES256", "e1"), (ED, "EdDSA", "d1")]
)
def test_each_allowed_way_of_signing(issuer: Issuer, key: Any, alg: str, kid: str) -> None:
    given = settings(issuer)
    for aud in ("jiayuan", ["elsewhere", "jiayuan"]):
        who = tokens.verify(given, issuer.token(key, alg, kid, aud=aud))
        assert who == tokens.Principal("P000007", ("desk",), "350921001", "")
    assert issuer.fetched() == 1


def test_our_own_tokens_go_on_beside_it(issuer: Issuer) -> None:
    own = tokens.issue(SECRET, "U1", ("unit_clerk",), unit="U14")
    assert tokens.verify(settings(issuer), own) == tokens.Principal("U1", ("unit_clerk",), "", "U14")
    assert tokens.verify(settings(issuer, oidc_issuer=""), own).subject == "U1"
    assert issuer.asked == []


def test_a_token_without_a_key_id_when_only_one_key_can_be_meant(issuer: Issuer) -> None:
    assert tokens.verify(settings(issuer), issuer.token(kid=None)).subject == "P000007"
    issuer.keys.append(jwk(RSA, "r2"))
    assert (
        refused(lambda: tokens.verify(settings(issuer, oidc_unit_claim="u"), issuer.token(kid=None))).status
        == 401
    )


def test_a_service_lets_in_who_has_the_role_by_the_providers_word(issuer: Issuer) -> None:
    given = settings(issuer)

    def ask(roles: tuple[str, ...], token: str) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token}"}
        call = web.Call(EnvironBuilder(path="/x", headers=headers).get_environ())
        run = lambda c: {"who": c.who.subject, "street": c.who.street}  # noqa: E731
        response = web.dispatch({}, call, run, given, roles, "/x", "probe")
        return response.status_code, json.loads(response.data)

    assert ask(("desk",), issuer.token()) == (200, {"who": "P000007", "street": "350921001"})
    assert ask(("county",), issuer.token())[0] == 403
    status, problem = ask(("desk",), issuer.token(aud="elsewhere"))
    assert (status, problem["title"]) == (401, "The token is not valid")


# -- bad ones ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "http://elsewhere"},
        {"iss": None},
        {"aud": "somebody-else"},
        {"aud": None},
        {"aud": []},
        {"exp": int(time.time()) - 60},
        {"exp": None},
        {"iat": None},
        {"iat": int(time.time()) + 3600},
        {"nbf": int(time.time()) + 3600},
        {"sub": None},
        {"sub": "x" * 200},
        {"sub": ""},
        {"kid": "another"},
        {"kid": "../../etc/passwd"},
        {"kid": "r1' OR '1'='1"},
        {"kid": "e1"},
        {"kid": "x" * 300},
        {"key": rsa.generate_private_key(public_exponent=65537, key_size=2048)},
        {"alg": "RS512"},
        {"alg": "PS256"},
        {"header_crit": ["exp"]},
        {"header_crit": []},
        {"header_typ": "logout+jwt"},
        {"header_typ": "dpop+jwt"},
        {"padding": "x" * 9000},
    ],
    ids=",".join,
)
def test_what_is_wrong_with_a_token_refuses_it(issuer: Issuer, changes: dict[str, Any]) -> None:
    given = settings(issuer)
    assert tokens.verify(given, issuer.token()).subject == "P000007"
    assert refused(lambda: tokens.verify(given, issuer.token(**changes))).status == 401


def test_a_little_difference_of_clocks_is_borne(issuer: Issuer) -> None:
    now = int(time.time())
    assert tokens.verify(settings(issuer), issuer.token(exp=now - 10, nbf=now + 10, iat=now + 10)).subject


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _hs256(header: dict[str, Any], claims: dict[str, Any], secret: bytes) -> str:
    signed = f"{_b64(json.dumps(header).encode())}.{_b64(json.dumps(claims).encode())}"
    return f"{signed}.{_b64(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


@pytest.mark.parametrize("key", [RSA, P256, ED], ids=["rsa", "ec", "ed"])
@pytest.mark.parametrize("iss", ["theirs", "ours"])
def test_a_public_key_is_never_the_secret_of_an_hmac(issuer: Issuer, key: Any, iss: str) -> None:
    given = settings(issuer)
    public = key.public_key()
    forms = [
        public.public_bytes(e, f)
        for e in (serialization.Encoding.PEM, serialization.Encoding.DER)
        for f in (serialization.PublicFormat.SubjectPublicKeyInfo,)
    ]
    claims = jwt.decode(issuer.token(), options={"verify_signature": False})
    claims |= {"roles": ["county"], "iss": issuer.url if iss == "theirs" else "jiayuan"}
    for secret in [*forms, *(f.strip() for f in forms), json.dumps(jwk(key, "r1")).encode(), b""]:
        for kid in ("r1", "e1", "d1", ""):
            forged = _hs256({"alg": "HS256", "typ": "JWT", "kid": kid}, claims, secret)
            assert refused(lambda t=forged: tokens.verify(given, t)).status == 401
    assert issuer.asked == []  # the issuer's keys have no part in it


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "", "HS256 ", None, ["RS256"], 1])
def test_no_signature_is_no_token(issuer: Issuer, alg: Any) -> None:
    claims = jwt.decode(issuer.token(), options={"verify_signature": False})
    header = {"typ": "JWT", "kid": "r1", **({"alg": alg} if alg is not None else {})}
    signed = f"{_b64(json.dumps(header).encode())}.{_b64(json.dumps(claims).encode())}"
    for signature in ("", issuer.token().rsplit(".", 1)[1]):
        assert refused(lambda s=signature: tokens.verify(settings(issuer), f"{signed}.{s}")).status == 401


def test_a_token_of_the_provider_is_not_one_of_ours_nor_the_other_way(issuer: Issuer) -> None:
    given = settings(issuer)
    # Signed by the provider, but naming our own issuer.
    assert refused(lambda: tokens.verify(given, issuer.token(iss="jiayuan"))).status == 401
    # Signed with our secret, but naming the provider.
    as_theirs = tokens.issue(SECRET, "x", ("county",), issuer=issuer.url)
    assert refused(lambda: tokens.verify(given, as_theirs)).status == 401
    # And where no provider is set up, nothing signed by one is read.
    assert refused(lambda: tokens.verify(settings(issuer, oidc_issuer=""), issuer.token())).status == 401


def test_keys_that_a_token_brings_along_are_not_looked_at(issuer: Issuer) -> None:
    mine = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    evil = Issuer()
    evil.keys = [jwk(mine, "r1")]
    try:
        for header in (
            {"header_jwk": jwk(mine)},
            {"header_jku": f"{evil.url}/keys"},
            {"header_x5u": f"{evil.url}/keys"},
        ):
            forged = issuer.token(mine, **header)
            assert refused(lambda t=forged: tokens.verify(settings(issuer), t)).status == 401
        assert evil.asked == []
    finally:
        evil.close()


def test_a_key_serves_only_for_what_it_is_published(issuer: Issuer) -> None:
    issuer.keys = [
        jwk(RSA, "enc", use="enc"),
        jwk(RSA, "other", alg="RS512"),
        jwk(RSA, "ops", key_ops=["encrypt"]),
        jwk(SMALL_RSA, "small"),
        jwk(P384, "p384"),
        {"kty": "oct", "kid": "oct", "k": _b64(SECRET.encode())},
        {"kty": "RSA", "kid": "broken", "n": "!!", "e": "AQAB"},
        "not even a key",  # type: ignore[list-item]
        jwk(ED, "d1"),
    ]
    given = settings(issuer)
    assert tokens.verify(given, issuer.token(ED, "EdDSA", "d1")).subject == "P000007"
    for key, alg, kid in ((RSA, "RS256", "enc"), (RSA, "RS256", "other"), (RSA, "RS256", "ops")):
        assert refused(lambda k=key, a=alg, i=kid: tokens.verify(given, issuer.token(k, a, i))).status == 401
    assert refused(lambda: tokens.verify(given, issuer.token(SECRET, "HS256", "oct"))).status == 401


# -- the issuer's keys -------------------------------------------------------------------------------


class Time:
    """A clock that stands until it is set."""

    at = 1000.0

    def __call__(self) -> float:
        return self.at


def keyset(issuer: Issuer) -> tuple[oidc.KeySet, Time]:
    clock = Time()
    return oidc.KeySet(issuer.url, now=clock), clock


def test_a_new_key_is_taken_at_once_and_an_invented_one_costs_one_fetch(issuer: Issuer) -> None:
    keys, clock = keyset(issuer)
    keys.key("r1", "RS256")
    assert issuer.fetched() == 1
    issuer.keys = [jwk(RSA, "r2")]
    assert keys.key("r2", "RS256").key_id == "r2"
    assert issuer.fetched() == 2
    for n in range(50):
        assert refused(lambda i=n: keys.key(f"invented-{i}", "RS256")).status == 401
    assert issuer.fetched() == 2
    assert keys.key("r2", "RS256").key_id == "r2"
    clock.at += oidc.REFETCH + 1
    assert refused(lambda: keys.key("invented", "RS256")).status == 401
    assert issuer.fetched() == 3


def test_a_withdrawn_key_is_taken_no_longer_than_keys_are_kept(issuer: Issuer) -> None:
    keys, clock = keyset(issuer)
    keys.key("r1", "RS256")
    issuer.keys = [jwk(P256, "e1")]
    clock.at += oidc.FRESH - 1
    assert keys.key("r1", "RS256").key_id == "r1"
    clock.at += 2
    assert refused(lambda: keys.key("r1", "RS256")).status == 401


def test_known_keys_serve_on_while_the_issuer_is_away_but_not_for_ever(issuer: Issuer) -> None:
    keys, clock = keyset(issuer)
    keys.key("r1", "RS256")
    issuer.answers["/keys"] = (503, b"")
    clock.at += oidc.FRESH + 1
    for _ in range(20):
        assert keys.key("r1", "RS256").key_id == "r1"
    assert issuer.fetched() == 2  # one try, then a pause
    clock.at += oidc.RETRY + 1
    keys.key("r1", "RS256")
    assert issuer.fetched() == 3
    clock.at += oidc.STALE
    assert refused(lambda: keys.key("r1", "RS256")).status == 503
    del issuer.answers["/keys"]
    clock.at += oidc.RETRY + 1
    assert keys.key("r1", "RS256").key_id == "r1"


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/keys", (500, b"")),
        ("/keys", (302, b"")),
        ("/keys", (200, b"<html>")),
        ("/keys", (200, b"[]")),
        ("/keys", (200, b"{}")),
        ("/keys", (200, b'{"keys": []}')),
        ("/keys", (200, b'{"keys": [' + b" " * 300_000 + b"]}")),
        ("/.well-known/openid-configuration", (404, b"")),
        (
            "/.well-known/openid-configuration",
            (200, b'{"issuer": "http://another", "jwks_uri": "http://127.0.0.1/"}'),
        ),
        ("/.well-known/openid-configuration", (200, b"{}")),
    ],
    ids=str,
)
def test_an_issuer_that_answers_nonsense_is_away_and_no_fault_of_the_token(
    issuer: Issuer, path: str, answer: tuple[int, bytes]
) -> None:
    issuer.answers[path] = answer
    keys, _ = keyset(issuer)
    for _ in range(3):
        assert refused(lambda: keys.key("r1", "RS256")).status == 503
    assert len(issuer.asked) <= 2


def test_keys_are_not_fetched_over_a_line_that_anybody_can_write_on(issuer: Issuer) -> None:
    issuer.answers["/.well-known/openid-configuration"] = (
        200,
        json.dumps({"issuer": issuer.url, "jwks_uri": "http://keys.example/keys"}).encode(),
    )
    keys, _ = keyset(issuer)
    assert refused(lambda: keys.key("r1", "RS256")).status == 503
    for address in ("http://idp.example", "ftp://127.0.0.1/", "https://", "idp", "http://127.0.0.1.example/"):
        with pytest.raises(ValueError, match="https://"):
            oidc.KeySet(address)
    oidc.KeySet("https://idp.example/realms/county")


def test_many_who_sign_in_at_once_cause_one_fetch(issuer: Issuer) -> None:
    keys, _ = keyset(issuer)
    start = threading.Barrier(8)

    def sign_in() -> None:
        start.wait(10)
        keys.key("r1", "RS256")

    threads = [threading.Thread(target=sign_in) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(10)
    assert issuer.fetched() == 1


# -- claims ------------------------------------------------------------------------------------------


def test_claims_mean_what_the_settings_say(issuer: Issuer) -> None:
    given = settings(
        issuer,
        oidc_subject_claim="employee",
        oidc_roles_claim="realm_access.roles",
        oidc_roles="街道值班=desk, 保密员=privacy_officer,值班长=desk",
        oidc_street_claim="https://county.example/dept",
        oidc_streets="松城街道办=350921001",
        oidc_unit_claim="org.unit",
    )
    token = issuer.token(
        employee="P000001",
        realm_access={"roles": ["街道值班", "值班长", "county", "保密员", 7]},
        **{"https://county.example/dept": "松城街道办"},
        org={"unit": "U14"},
    )
    assert tokens.verify(given, token) == tokens.Principal(
        "P000001", ("desk", "privacy_officer"), "350921001", "U14"
    )
    elsewhere = issuer.token(employee="P000001", **{"https://county.example/dept": "350921001"})
    assert tokens.verify(given, elsewhere) == tokens.Principal("P000001", (), "", "")


def test_without_a_mapping_nobody_becomes_an_operator_or_a_machine(issuer: Issuer) -> None:
    everything = issuer.token(roles=[*tokens.ROLES, "admin"])
    roles = tokens.verify(settings(issuer), everything).roles
    assert set(tokens.ROLES) - set(roles) == {"citizen", "operator", "service"}
    mapped = settings(issuer, oidc_roles="admin=operator")
    assert tokens.verify(mapped, everything).roles == ("operator",)
    assert tokens.verify(settings(issuer), issuer.token(roles="desk auditor x")).roles == ("desk", "auditor")


@pytest.mark.parametrize(
    "changes",
    [
        {"oidc_audience": ""},
        {"oidc_issuer": "http://idp.example"},
        {"oidc_algorithms": "RS256,HS256"},
        {"oidc_algorithms": "none"},
        {"oidc_algorithms": ""},
        {"oidc_roles": "desk"},
        {"oidc_roles": "desk=emperor"},
        {"oidc_streets": "a="},
    ],
    ids=str,
)
def test_settings_that_can_not_be_meant_stop_the_process_at_its_start(
    issuer: Issuer, changes: dict[str, Any]
) -> None:
    with pytest.raises(StartError) as caught:
        tokens.provider_of(settings(issuer, **changes))
    assert caught.value.code == 3
