"""The token codec: published examples, PyJWT, and every way to get a token wrong."""

from __future__ import annotations

import base64
import gc
import hashlib
import hmac
import json
import math
import random
import string
import time
import warnings
import weakref
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastapi_user_auth_c import _core
from fastapi_user_auth_c.tokens import (
    TokenClaimError,
    TokenCodec,
    TokenError,
    TokenExpiredError,
    TokenFormatError,
    TokenKey,
    TokenSignatureError,
)

VECTORS = json.loads((Path(__file__).parent / "vectors" / "tokens.json").read_text())
SECRET = b"0123456789abcdef0123456789abcdef"
NOW = 1_800_000_000
CLAIMS = {"id": 1, "username": "root", "exp": NOW + 60}
CODEC = TokenCodec(SECRET)


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def signed(header, claims=None, key=SECRET, digest="sha256"):
    """A token of whatever is given: text goes in as it is, other things as JSON."""
    parts = (
        part if isinstance(part, str) else json.dumps(part) for part in (header, CLAIMS if claims is None else claims)
    )
    text = ".".join(b64(part.encode()) for part in parts)
    return f"{text}.{b64(hmac.digest(key, text.encode(), digest))}"


def refused(token, error=TokenError, codec=CODEC, now=NOW):
    with pytest.raises(error) as caught:
        codec.decode(token, now=now)
    return caught.value


HEADER = {"alg": "HS256", "typ": "JWT"}
GOOD = signed(HEADER)

# --- published examples


@pytest.mark.parametrize("example", VECTORS["hmac"], ids=lambda example: example["source"])
def test_published_hmac_examples(example):
    codec = TokenCodec(unb64(example["key"]), example["algorithm"], required=())
    assert codec.decode(example["token"], now=example["now"]) == example["claims"]
    with pytest.raises(TokenExpiredError):
        codec.decode(example["token"], now=example["claims"]["exp"])


# --- writing and reading


def test_there_and_back():
    claims = {
        "exp": NOW + 0.5,
        "text": 'é "\\\n\0\x7f 😀',
        "numbers": [0, -1, 2**63 - 1, -(2**63), 1.5, -0.25, 1e300, 5e-324, 0.1],
        "words": [True, False, None],
        "nested": {"": {}, "a": [[], {}], "é": ()},
    }
    again = CODEC.decode(CODEC.encode(claims), now=NOW)
    assert again == {**claims, "nested": {"": {}, "a": [[], {}], "é": []}}
    assert [type(value) for value in again["words"]] == [bool, bool, type(None)]
    assert [repr(value) for value in again["numbers"]] == [repr(value) for value in claims["numbers"]]
    assert CODEC.decode(CODEC.encode(claims).encode(), now=NOW) == again


def test_tokens_are_those_of_pyjwt_to_the_letter():
    jwt = pytest.importorskip("jwt")
    for algorithm in ("HS256", "HS384", "HS512"):
        key = b"k" * 64
        mine = TokenCodec(key, algorithm).encode(CLAIMS)
        assert mine == jwt.encode(CLAIMS, key, algorithm)
        assert TokenCodec(key, algorithm, kid="a").encode(CLAIMS) == jwt.encode(CLAIMS, key, algorithm, {"kid": "a"})


def random_value(rng: random.Random, depth: int = 0):
    kind = rng.randrange(9 if depth < 3 else 6)
    if kind == 0:
        return rng.choice([True, False, None])
    if kind == 1:
        return rng.randrange(-(2**63), 2**63) >> rng.randrange(64)
    if kind == 2:
        return rng.choice([rng.random(), rng.uniform(-1e9, 1e9), math.ldexp(rng.random(), rng.randrange(-1000, 1000))])
    if kind < 6:
        letters = rng.choice([string.printable, "aé\u0800\uffff😀\x7f\x80", string.ascii_letters])
        return "".join(rng.choices(letters, k=rng.randrange(12)))
    if kind == 6:
        return [random_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {random_value_name(rng): random_value(rng, depth + 1) for _ in range(rng.randrange(4))}


def random_value_name(rng: random.Random) -> str:
    return "".join(rng.choices('abcé"\\/\n😀', k=rng.randrange(6)))


def random_claims(rng: random.Random) -> dict:
    claims = {f"c{random_value_name(rng)}": random_value(rng) for _ in range(rng.randrange(6))}
    if rng.random() < 0.9:
        claims["exp"] = NOW + rng.randrange(1, 10**6)
    for name, value in (("iss", "me"), ("sub", "é"), ("jti", "1"), ("iat", 5), ("nbf", 1.5)):
        if rng.random() < 0.3:
            claims[name] = value
    return claims


def test_10_000_random_tokens_each_way_with_pyjwt():
    jwt = pytest.importorskip("jwt")
    rng = random.Random(1)
    options = {"verify_exp": False, "verify_aud": False, "verify_iat": False}
    keys = {algorithm: rng.randbytes(64) for algorithm in ("HS256", "HS384", "HS512")}
    codecs = {algorithm: TokenCodec(key, algorithm, required=()) for algorithm, key in keys.items()}
    for _ in range(10_000):
        claims, algorithm = random_claims(rng), rng.choice(list(keys))
        theirs = jwt.encode(claims, keys[algorithm], algorithm, {"kid": "k"} if rng.random() < 0.5 else None)
        assert codecs[algorithm].decode(theirs, now=NOW) == claims
        mine = codecs[algorithm].encode(claims)
        assert jwt.decode(mine, keys[algorithm], [algorithm], options=options) == claims


def test_10_000_random_changes_are_judged_as_pyjwt_does_or_refused():
    jwt = pytest.importorskip("jwt")
    rng = random.Random(2)
    token = CODEC.encode(CLAIMS)
    letters = string.ascii_letters + string.digits + "-_.= \n"
    options = {"verify_exp": False}
    accepted = 0
    for _ in range(10_000):
        changed = list(token)
        for _ in range(rng.randrange(3)):
            at = rng.randrange(len(changed))
            changed[at : at + rng.randrange(2)] = rng.choice(letters) * rng.randrange(2)
        text = "".join(changed)
        try:
            claims = CODEC.decode(text, now=NOW)
        except TokenError:
            assert text != token
            continue
        accepted += 1
        assert text == token
        assert jwt.decode(text, SECRET, ["HS256"], options=options) == claims
    assert accepted > 1000


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=80), st.binary(max_size=80)))
def test_no_text_is_a_token_or_another_error(text):
    for token in (text, *([text + "." + text, f"{text}.{text}.{text}"] if isinstance(text, str) else [])):
        with pytest.raises(TokenError):
            CODEC.decode(token)


def test_lifetime_writes_whole_seconds():
    claims = CODEC.decode(CODEC.encode({"a": 1, "exp": 5, "iat": "x"}, lifetime=60, now=NOW + 0.9), now=NOW)
    assert claims == {"a": 1, "iat": NOW, "exp": NOW + 60}
    assert CODEC.decode(CODEC.encode({}, lifetime=0.2, now=NOW + 0.9), now=NOW)["exp"] == NOW + 1
    token = CODEC.encode({}, lifetime=60)
    assert 58 <= CODEC.decode(token)["exp"] - time.time() <= 60
    for wrong in (0, -1, math.nan, math.inf, 2**53):
        with pytest.raises(ValueError):
            CODEC.encode({}, lifetime=wrong)
    with pytest.raises(TypeError):
        CODEC.encode({}, lifetime="1")


@pytest.mark.parametrize(
    "claims, error, words",
    [
        ({}, ValueError, "'exp'"),
        ({"exp": None}, ValueError, "'exp'"),
        ({"exp": True}, ValueError, "'exp'"),
        ({"exp": "5"}, ValueError, "'exp'"),
        ({"exp": -1}, ValueError, "'exp'"),
        ({"exp": 10**50}, ValueError, "'exp'"),
        ({"exp": math.nan}, ValueError, "'exp'"),
        ({"exp": 1, "nbf": math.inf}, ValueError, "'nbf'"),
        ({"exp": 1, "iat": []}, ValueError, "'iat'"),
        ({"exp": 1, "sub": 5}, ValueError, "'sub'"),
        ({"exp": 1, "jti": None}, ValueError, "'jti'"),
        ({"exp": 1, "iss": b"x"}, ValueError, "'iss'"),
        ({"exp": 1, "aud": 1}, ValueError, "'aud'"),
        ({"exp": 1, "aud": ["a", 1]}, ValueError, "'aud'"),
        ({"exp": 1, "a": 2**63}, ValueError, "64 bits"),
        ({"exp": 1, "a": math.nan}, ValueError, "NaN"),
        ({"exp": 1, "a": "\ud800"}, ValueError, "surrogate"),
        ({"exp": 1, "a": "x" * 9000}, ValueError, "longer than 8192"),
        ({"exp": 1, "a": b"x"}, TypeError, "bytes"),
        ({"exp": 1, "a": {1: 2}}, TypeError, "names"),
        ({"exp": 1, "a": {1, 2}}, TypeError, "set"),
        ({"exp": 1, 5: 2}, TypeError, "names"),
        ({"exp": 1, **{f"c{i}": 0 for i in range(1025)}}, ValueError, "too many"),
        ([], TypeError, "dict"),
        (None, TypeError, "dict"),
    ],
    ids=repr,
)
def test_what_would_not_be_read_is_not_written(claims, error, words):
    with pytest.raises(error, match=words):
        CODEC.encode(claims)


def test_depth_is_limited_on_both_sides():
    deep = []
    for _ in range(30):
        deep = [deep]
    assert CODEC.decode(CODEC.encode({"exp": NOW + 1, "a": deep}), now=NOW)["a"] == deep
    with pytest.raises(ValueError, match="32 deep"):
        CODEC.encode({"exp": 1, "a": [deep]})
    endless = []
    endless.append(endless)
    with pytest.raises(ValueError, match="32 deep"):
        CODEC.encode({"exp": 1, "a": endless})
    refused(signed(HEADER, {**CLAIMS, "a": [deep]}), TokenFormatError)


def test_names_of_a_subclass_of_str_are_names():
    class Name(str):
        pass

    token = CODEC.encode({Name("exp"): NOW + 5, Name("x"): Name("é")}, lifetime=9, now=NOW)
    assert CODEC.decode(token, now=NOW) == {"exp": NOW + 9, "iat": NOW, "x": "é"}
    with pytest.raises(ValueError, match="exp"):
        CODEC.encode({Name("exp"): None})


# --- T4, T5, T6, T14


def test_T4_the_token_does_not_choose_the_algorithm():
    assert CODEC.decode(GOOD, now=NOW) == CLAIMS
    assert CODEC.decode(signed({"alg": "HS256"}), now=NOW) == CLAIMS
    assert CODEC.decode(signed({"typ": "jwt", "alg": "HS256", "jku": "https://x", "jwk": {}}), now=NOW) == CLAIMS
    for alg in ("none", "None", "NONE", "nOnE", "", "HS", "S", "HS255", "hs256", "HS256 ", "HS384", "RS256"):
        refused(signed({"alg": alg}), TokenSignatureError)
        refused(signed({"alg": alg}).rpartition(".")[0] + ".", TokenFormatError)
        refused(signed({"alg": alg}).rpartition(".")[0] + ".AA", TokenSignatureError)
    for alg in (None, ["HS256"], {"HS256": 1}, 256, True, 1.5):
        refused(signed({"alg": alg}), TokenFormatError)
    for header in (
        {},
        [],
        "HS256",
        '"HS256"',
        1,
        None,
        [HEADER],
        "",
        "{",
        '{"alg":"HS256"}x',
        '{"alg":"HS256","alg":"HS256"}',
    ):
        refused(signed(header), TokenFormatError)
    for algorithm, digest in (("HS384", "sha384"), ("HS512", "sha512")):
        refused(signed({"alg": algorithm}, digest=digest), TokenSignatureError)
        refused(signed({"alg": "HS256"}, digest=digest), TokenSignatureError)
        key = SECRET * 2
        codec = TokenCodec(key, algorithm)
        assert codec.decode(signed({"alg": algorithm}, key=key, digest=digest), now=NOW) == CLAIMS
        refused(signed({"alg": "HS256"}, key=key), TokenSignatureError, codec)


def test_T5_extensions_duplicates_and_second_spellings():
    for crit in ([], ["exp"], None, "b64"):
        refused(signed({"alg": "HS256", "crit": crit}), TokenSignatureError)
    refused(signed({"alg": "HS256", "b64": False, "crit": ["b64"]}), TokenSignatureError)
    exp = NOW + 60
    for claims in (
        f'{{"exp":{exp},"exp":{exp}}}',
        f'{{"exp":{exp},"a":1,"\\u0061":1}}',
        f'{{"exp":{exp},"a":{{"b":1,"b":1}}}}',
    ):
        refused(signed(HEADER, claims), TokenFormatError)
    head, body, signature = GOOD.split(".")
    for token in (
        GOOD + "=", f"{head}=.{body}.{signature}", f"{head}.{body}=.{signature}", f" {GOOD}", f"{GOOD}\n", f"{GOOD}.",
        f"{head}.{body}.{signature[:-1]}", f"{head}.{body}.{signature}A", f"{head}.{body}", f"{head}.{body}.",
        f"{head}..{signature}", f".{body}.{signature}", f"{head}.{body}.{signature}.{signature}", "", ".", "..",
        "a.b.c", "ä.b.c", GOOD.replace("_", "/") + "+", f"{head}.{body}.{signature[:20]} {signature[20:]}",
        GOOD + "\0", "\ud800.b.c", f"{head}.{body}.{signature[:-1]}{chr(ord(signature[-1]) + 1)}",
    ):  # fmt: skip
        refused(token)
        refused(token.encode("utf-8", "surrogatepass"))
    # the same bytes signed, but written in another way
    for change in (lambda part: part + "=", lambda part: part[:-1] + chr(ord(part[-1]) + 1), lambda part: part + "\n"):
        for at in (0, 1):
            parts = [b64(json.dumps(part).encode()) for part in ({"alg": "HS256"}, {**CLAIMS, "x": "y"})]
            assert len(parts[at]) % 4
            parts[at] = change(parts[at])
            text = ".".join(parts)
            refused(f"{text}.{b64(hmac.digest(SECRET, text.encode(), 'sha256'))}", TokenFormatError)


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize(
    "value",
    ["null", "[]", "{}", "true", '"1900000000"', "-1", "1e16", "9007199254740992", "Infinity", "-Infinity", "NaN",
     "1e999", "-1e999", "1" + "0" * 50, "01", "1.", "+1", "0x10", "1_000"],
)  # fmt: skip
def test_T5_times_that_are_none(name, value):
    others = "" if name == "exp" else f',"exp":{NOW + 60}'
    refused(signed(HEADER, f'{{"{name}":{value}{others}}}'))


def test_T5_the_life_ends_on_time():
    def read(now, leeway=0, **claims):
        return TokenCodec(SECRET, leeway=leeway).decode(signed(HEADER, {**CLAIMS, **claims}), now=now)

    assert read(NOW + 59.999)
    for late in (60, 60.001, 10**9):
        with pytest.raises(TokenExpiredError, match="expired"):
            read(NOW + late)
    assert read(NOW + 69.5, leeway=10)
    with pytest.raises(TokenExpiredError):
        read(NOW + 70, leeway=10)
    assert read(NOW, nbf=NOW) and read(NOW, iat=NOW + 30)
    with pytest.raises(TokenClaimError, match="not valid yet"):
        read(NOW, nbf=NOW + 0.5)
    assert read(NOW, leeway=1, nbf=NOW + 1)
    without = signed(HEADER, {"id": 1})
    assert "'exp'" in str(refused(without, TokenClaimError))
    assert TokenCodec(SECRET, required=()).decode(without) == {"id": 1}
    assert "'jti'" in str(refused(GOOD, TokenClaimError, TokenCodec(SECRET, required=["exp", "jti"])))
    with pytest.raises(TokenExpiredError):
        CODEC.decode(signed(HEADER, {"exp": 1_000_000_000}))  # by the clock


def test_T5_size_is_limited():
    codec = TokenCodec(SECRET, max_size=len(GOOD))
    assert codec.decode(GOOD, now=NOW) == CLAIMS
    refused(GOOD, TokenFormatError, TokenCodec(SECRET, max_size=len(GOOD) - 1))
    for token in ("x" * 10**6, "." * 10**6, GOOD + "A" * 10**6):
        refused(token, TokenFormatError)
    large = {"exp": NOW + 5, "a": list(range(1200))}
    assert CODEC.decode(CODEC.encode(large), now=NOW) == large
    refused(signed({"alg": "HS256", "x": "y" * 800}), TokenFormatError)


def test_T6_keys_that_are_too_weak():
    for empty in ("", b""):
        with pytest.raises(ValueError, match="empty"):
            TokenCodec(empty)
        with pytest.raises(ValueError, match="empty"):
            _core.TokenCodec([("HS256", None, b"")])
    for algorithm, size in (("HS256", 32), ("HS384", 48), ("HS512", 64)):
        with pytest.warns(UserWarning, match=f"has {size - 1} bytes") as caught:
            codec = TokenCodec("k" * (size - 1), algorithm)
        assert codec.decode(codec.encode({}, lifetime=5))
        assert caught[0].filename == __file__
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            TokenCodec("k" * size, algorithm)


def test_T14_tokens_of_another_purpose():
    reset = TokenCodec(SECRET, typ="reset+jwt")
    other = reset.encode({}, lifetime=60, now=NOW)
    assert reset.decode(other, now=NOW)
    refused(other, TokenSignatureError)
    refused(GOOD, TokenSignatureError, reset)
    refused(signed({"alg": "HS256"}), TokenSignatureError, reset)
    assert reset.decode(signed({"alg": "HS256", "typ": "application/Reset+JWT"}), now=NOW)
    for typ in (None, 1, ["JWT"]):
        refused(signed({"alg": "HS256", "typ": typ}), TokenFormatError)

    site = TokenCodec(SECRET, audience="site", issuer="me")
    token = site.encode({"aud": "x", "a": 1}, lifetime=60, now=NOW)
    assert site.decode(token, now=NOW) == {"a": 1, "aud": "site", "iss": "me", "iat": NOW, "exp": NOW + 60}
    refused(token, TokenClaimError)
    refused(token, TokenClaimError, TokenCodec(SECRET, audience="shop"))
    refused(GOOD, TokenClaimError, site)
    for claims in ({"aud": "site"}, {"aud": "site", "iss": "you"}, {"iss": "me"}, {"aud": [], "iss": "me"},
                   {"aud": ["site", 1], "iss": "me"}, {"aud": "sit", "iss": "me"}):  # fmt: skip
        refused(signed(HEADER, {**CLAIMS, **claims}), TokenClaimError, site)
    assert site.decode(signed(HEADER, {**CLAIMS, "aud": ["shop", "site"], "iss": "me"}), now=NOW)


def test_the_subject_of_others_is_checked():
    for claims in ({"sub": 1}, {"jti": None}, {"iss": ["x"]}):
        refused(signed(HEADER, {**CLAIMS, **claims}), TokenClaimError)


def test_claims_are_not_looked_at_before_the_signature():
    assert type(refused(signed(HEADER, {"exp": 1}, key=b"x" * 32))) is TokenSignatureError
    assert type(refused(signed(HEADER, "no json", key=b"x" * 32))) is TokenSignatureError
    refused(signed(HEADER, "no json"), TokenFormatError)
    for claims in ([], "5", '"x"', "null"):
        refused(signed(HEADER, claims), TokenFormatError)
    assert "secret" not in str(refused(signed(HEADER, '{"exp":1,"x":"secret"')))


# --- keys


def test_keys_change():
    old, new = TokenKey(b"o" * 32, kid="2024"), TokenKey(b"n" * 32, kid="2025")
    before, after = TokenCodec(old), TokenCodec(new, other_keys=[old])
    token = before.encode({}, lifetime=60, now=NOW)
    assert after.decode(token, now=NOW) == before.decode(token, now=NOW)
    assert json.loads(unb64(token.split(".")[0])) == {"alg": "HS256", "kid": "2024", "typ": "JWT"}
    fresh = after.encode({}, lifetime=60, now=NOW)
    assert after.decode(fresh, now=NOW)
    refused(fresh, TokenSignatureError, before)
    refused(signed({"alg": "HS256", "kid": "2025"}, key=b"o" * 32), TokenSignatureError, after)
    refused(signed({"alg": "HS256", "kid": "2023"}, key=b"o" * 32), TokenSignatureError, after)
    assert after.decode(signed({"alg": "HS256"}, key=b"o" * 32), now=NOW) == CLAIMS
    # keys without names are tried one after the other, whatever the token calls its key
    unnamed = TokenCodec(b"n" * 32, other_keys=[b"o" * 32, TokenKey(b"h" * 64, "HS512")])
    for known in (token, fresh, signed({"alg": "HS512"}, key=b"h" * 64, digest="sha512")):
        assert unnamed.decode(known, now=NOW)
    refused(GOOD, TokenSignatureError, unnamed)


# --- the type


@pytest.mark.parametrize(
    "call, error",
    [
        (lambda: TokenCodec(SECRET, "none"), ValueError),
        (lambda: TokenCodec(SECRET, "HS"), ValueError),
        (lambda: TokenCodec(5), TypeError),
        (lambda: TokenCodec(SECRET, audience=b"x"), TypeError),
        (lambda: TokenCodec(SECRET, issuer=1), TypeError),
        (lambda: TokenCodec(SECRET, typ=None), TypeError),
        (lambda: TokenCodec(SECRET, kid=5), TypeError),
        (lambda: TokenCodec(SECRET, kid="k" * 2000), ValueError),
        (lambda: TokenCodec(SECRET, required="exp"), TypeError),
        (lambda: TokenCodec(SECRET, required=[1]), TypeError),
        (lambda: TokenCodec(SECRET, required=["a"] * 17), ValueError),
        (lambda: TokenCodec(SECRET, leeway=-1), ValueError),
        (lambda: TokenCodec(SECRET, leeway=math.nan), ValueError),
        (lambda: TokenCodec(SECRET, max_size=0), ValueError),
        (lambda: TokenCodec(SECRET, max_size=2**40), ValueError),
        (lambda: TokenCodec(SECRET, other_keys=[SECRET] * 16), ValueError),
        (lambda: _core.TokenCodec([]), ValueError),
        (lambda: _core.TokenCodec(5), TypeError),
        (lambda: _core.TokenCodec([("HS256", None)]), TypeError),
        (lambda: _core.TokenCodec([("HS256", None, "text")]), TypeError),
        (lambda: _core.TokenCodec([("RS256", None, b"x")]), ValueError),
        (lambda: _core.TokenCodec([("HS256", None, None, lambda s, d: True)]), ValueError),
        (lambda: _core.TokenCodec([("none", None, None, lambda s, d: True)]), ValueError),
        (lambda: _core.TokenCodec([("RS256", None, None, None)]), TypeError),
        (lambda: CODEC.decode(5), TypeError),
        (lambda: CODEC.decode(), TypeError),
        (lambda: CODEC.decode(GOOD, GOOD), TypeError),
        (lambda: CODEC.decode(GOOD, then=5), TypeError),
        (lambda: CODEC.decode(GOOD, now="5"), TypeError),
        (lambda: CODEC.decode(GOOD, now=-1), ValueError),
        (lambda: CODEC.__init__(SECRET), RuntimeError),
        (lambda: _core.TokenCodec.__new__(_core.TokenCodec).decode("a.b.c"), RuntimeError),
        (lambda: _core.TokenCodec.__new__(_core.TokenCodec).encode({}), RuntimeError),
    ],
)
def test_wrong_arguments_are_told(call, error):
    with pytest.raises(error):
        call()
    assert CODEC.decode(GOOD, now=NOW) == CLAIMS


def test_errors_are_one_tree():
    assert issubclass(TokenError, ValueError)
    assert {TokenFormatError, TokenSignatureError, TokenClaimError} == set(TokenError.__subclasses__())
    assert TokenExpiredError.__base__ is TokenClaimError


def test_secrets_are_not_shown():
    assert "0123" not in repr(TokenKey(SECRET)) + repr(CODEC)


def test_codecs_are_collected():
    class Holder:
        def verify(self, signature, data):
            return False

    holder = Holder()
    holder.codec = _core.TokenCodec([("RS256", None, None, holder.verify)])
    gone = weakref.ref(holder)
    del holder
    gc.collect()
    assert gone() is None


def test_memory_stays_level():
    import tracemalloc

    bad = signed(HEADER, {**CLAIMS, "exp": 1}), signed(HEADER, "x"), "a.b.c", signed({"alg": "none"})

    def work():
        for number in range(500):
            TokenCodec(SECRET, kid="k", audience="a").encode({"n": number, "l": [1.5, {"x": None}]}, lifetime=5)
            CODEC.decode(GOOD, now=NOW)
            for token in bad:
                with pytest.raises(TokenError):
                    CODEC.decode(token, now=NOW)

    work()
    tracemalloc.start()
    work()
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(3):
        work()
    gc.collect()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert after - before < 20_000


def test_digests_are_sha2():
    for algorithm, name in (("HS256", "sha256"), ("HS384", "sha384"), ("HS512", "sha512")):
        for size in (1, 63, 64, 65, 127, 128, 129, 300):
            key = hashlib.shake_128(bytes([size % 256])).digest(size)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                token = TokenCodec(key, algorithm, required=()).encode({"a": "x" * size})
            text, _, signature = token.rpartition(".")
            assert unb64(signature) == hmac.digest(key, text.encode(), name)
