"""Tokens signed with key pairs: published examples, PyJWT, and keys of the wrong kind."""

from __future__ import annotations

import subprocess
import sys

import pytest
from test_tokens import CLAIMS, GOOD, NOW, SECRET, VECTORS, b64, refused, signed, unb64

from fastapi_user_auth_c import _core
from fastapi_user_auth_c.tokens import TokenCodec, TokenFormatError, TokenKey, TokenSignatureError


@pytest.mark.parametrize("example", VECTORS["pairs"], ids=lambda example: example["source"])
def test_published_key_pair_examples(example):
    pytest.importorskip("cryptography")
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    from fastapi_user_auth_c.token_keys import key_pair

    jwk = {name: unb64(value) for name, value in example["key"].items()}
    numbers = {name: int.from_bytes(value, "big") for name, value in jwk.items()}
    if example["algorithm"] == "RS256":
        key = rsa.RSAPublicNumbers(numbers["e"], numbers["n"]).public_key()
    elif example["algorithm"] == "ES256":
        key = ec.EllipticCurvePublicNumbers(numbers["x"], numbers["y"], ec.SECP256R1()).public_key()
    else:
        key = ed25519.Ed25519PublicKey.from_public_bytes(jwk["x"])
    signing_input, _, signature = example["token"].rpartition(".")
    sign, verify = key_pair(key, example["algorithm"])
    assert sign is None
    assert verify(unb64(signature), signing_input.encode()) is True
    assert verify(unb64(signature), signing_input.encode() + b"x") is False
    assert verify(unb64(signature)[:-1], signing_input.encode()) is False
    if example["claims"]:
        assert TokenCodec(key, example["algorithm"]).decode(example["token"], now=1300819379) == example["claims"]


def test_T4_a_public_key_is_no_secret():
    pytest.importorskip("cryptography")
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    private = rsa.generate_private_key(65537, 2048)
    public = private.public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    codec = TokenCodec(pem, "RS256")
    forged = signed({"alg": "HS256", "typ": "JWT"}, key=pem)
    refused(forged, TokenSignatureError, codec)
    refused(signed({"alg": "RS256"}, key=pem), TokenSignatureError, codec)
    mixed = TokenCodec(SECRET, other_keys=[TokenKey(pem, "RS256")])
    refused(forged, TokenSignatureError, mixed)
    assert mixed.decode(TokenCodec(private, "RS256").encode(CLAIMS), now=NOW) == CLAIMS
    for secret in (pem, pem.decode(), b"\n" + pem, b"ssh-rsa AAAA"):
        with pytest.raises(ValueError, match="asymmetric"):
            TokenCodec(secret)
    with pytest.raises(ValueError, match="public key"):
        codec.encode(CLAIMS)


@pytest.fixture(scope="module")
def pairs():
    pytest.importorskip("cryptography")
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

    big = rsa.generate_private_key(65537, 2048)
    found = [(f"{kind}{bits}", big) for kind in ("RS", "PS") for bits in (256, 384, 512)]
    found += [("ES256", ec.generate_private_key(ec.SECP256R1())), ("ES384", ec.generate_private_key(ec.SECP384R1()))]
    found += [("ES512", ec.generate_private_key(ec.SECP521R1()))]
    found += [("EdDSA", ed25519.Ed25519PrivateKey.generate()), ("EdDSA", ed448.Ed448PrivateKey.generate())]
    return found


def in_pem(private):
    from cryptography.hazmat.primitives import serialization as s

    public = private.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo)
    return private.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()), public


def test_key_pairs_agree_with_pyjwt(pairs):
    jwt = pytest.importorskip("jwt")
    for algorithm, private in pairs:
        private_pem, public_pem = in_pem(private)
        codec = TokenCodec(private_pem, algorithm, kid="pair")
        reader = TokenCodec(public_pem.decode(), algorithm)
        for _ in range(20):  # ECDSA signatures differ each time
            token = codec.encode(CLAIMS)
            assert codec.decode(token, now=NOW) == reader.decode(token, now=NOW) == CLAIMS
            assert jwt.decode(token, public_pem, [algorithm], options={"verify_exp": False}) == CLAIMS
        assert reader.decode(jwt.encode(CLAIMS, private_pem, algorithm), now=NOW) == CLAIMS
        text, _, signature = token.rpartition(".")
        raw = unb64(signature)
        for wrong in (raw[:-3], raw + b"x", b"\0\0\0", bytes(len(raw)), bytes(132)):
            refused(f"{text}.{b64(wrong)}", TokenSignatureError, reader)
        refused(f"{text}.{signature}=", TokenFormatError, reader)
        refused(f"{text[:-1]}.{signature}", TokenSignatureError, reader)
        refused(signed({"alg": algorithm}, key=public_pem), TokenSignatureError, reader)


def test_keys_of_the_wrong_kind(pairs):
    for algorithm, _ in pairs:
        for other, private in pairs:
            if algorithm[:2] != other[:2] and {algorithm[:2], other[:2]} != {"RS", "PS"}:
                with pytest.raises(ValueError, match=f"key for {algorithm}"):
                    TokenCodec(private, algorithm)
    by_name = dict(pairs)
    with pytest.raises(ValueError, match="secp256r1"):
        TokenCodec(by_name["ES384"], "ES256")
    from cryptography.hazmat.primitives.asymmetric import rsa

    with pytest.raises(ValueError, match="2048 bits"):
        TokenCodec(rsa.generate_private_key(65537, 1024), "RS256")
    for text in ("", "x", b"-----BEGIN PRIVATE KEY-----\n", 5, None):
        with pytest.raises(ValueError, match="RS256"):
            TokenCodec(text, "RS256")


def test_without_cryptography_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(ImportError, match=r"fastapi-user-auth-c\[crypto\]"):
        TokenCodec("x", "RS256")
    assert TokenCodec(SECRET).decode(GOOD, now=NOW)


def test_hmac_needs_no_cryptography():
    code = "import sys, fastapi_user_auth_c.tokens as t; t.TokenCodec('k' * 32); print('cryptography' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.stdout.strip() == "False", ran.stderr


def test_errors_of_callables_reach_the_caller():
    def broken(*args):
        raise LookupError("no key store")

    codec = _core.TokenCodec([("RS256", None, broken, broken)], required=())
    with pytest.raises(LookupError):
        codec.encode({})
    with pytest.raises(LookupError):
        codec.decode(signed({"alg": "RS256"}))
    for answer in (None, "text", b""):
        with pytest.raises(TypeError):
            _core.TokenCodec([("RS256", None, lambda data, answer=answer: answer, broken)], required=()).encode({})
