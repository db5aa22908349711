"""Argon2id, PBKDF2 and bcrypt_sha256: argon2-cffi, hashlib and passlib, and accounts that come from elsewhere."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastapi_user_auth_c import passwords
from fastapi_user_auth_c._core import password_hash, password_parse, password_verify
from fastapi_user_auth_c.password_schemes import cores
from fastapi_user_auth_c.passwords import (
    Argon2Scheme,
    BcryptScheme,
    BcryptSha256Scheme,
    PasswordError,
    PasswordHasher,
    Pbkdf2Scheme,
    in_hashing_thread,
)

SALT = b"0123456789abcdef"
SMALL = Argon2Scheme(64, 1, 2)
CHEAP = [
    SMALL,
    "bcrypt",
    BcryptSha256Scheme(4),
    Pbkdf2Scheme("sha256", 10),
    Pbkdf2Scheme("sha512", 10),
    Pbkdf2Scheme("sha1", 10),
]
ALL = PasswordHasher(CHEAP, bcrypt_rounds=4)

# hash of "password", scheme, whether it is written anew by ALL with that scheme as default
FOREIGN = [
    # passlib 1.7.4; the bcrypt_sha256 one is the example of its documentation
    ("$pbkdf2-sha256$1000$MDEyMzQ1Njc4OWFiY2RlZg$hRRjgXWkW8ResfIvBP99J/T4vkgEmMRV/0tJTOjR59I", "pbkdf2_sha256", False),
    ("$pbkdf2-sha256$1$$wSMvEPYnFf2gaufAogN8oZszzxA7cnulbYcMEfKQoqs", "pbkdf2_sha256", True),
    ("$bcrypt-sha256$v=2,t=2b,r=12$n79VH.0Q2TMWmt3Oqt9uku$Kq4Noyk3094Y2QlB8NdRT8SvGiI4ft2", "bcrypt_sha256", False),
    ("$bcrypt-sha256$2b,4$n79VH.0Q2TMWmt3Oqt9uku$218k5nCh3D4YqdpX.Zv79C4bjOSjWea", "bcrypt_sha256", True),
    ("$pbkdf2$1000$MDEyMzQ1Njc4OWFiY2RlZg$DYW.LTZG5wxyiF/qvsh40/./hXk", "pbkdf2_sha1", False),
    # RFC 6070, the third of its vectors, as Django writes it
    ("pbkdf2_sha1$4096$salt$SwB5AbdlSJq+rUnZJvch0GWkKcE=", "pbkdf2_sha1", True),
    # argon2-cffi 25.1.0
    (
        "$argon2id$v=19$m=64,t=2,p=2$MDEyMzQ1Njc4OWFiY2RlZg$KzY0shwac7WdDSXS7D8RdfNN9PJf0xghZnmkY8y2pVw",
        "argon2id",
        False,
    ),
    ("$argon2i$v=19$m=64,t=2,p=2$MDEyMzQ1Njc4OWFiY2RlZg$JlmFuHg9yYqs0mnjLh3AJKZLUT7Q+Un4XD/y8j3HTho", "argon2id", True),
    (
        "$argon2id$v=16$m=64,t=2,p=2$MDEyMzQ1Njc4OWFiY2RlZg$GxnZ09LpIddJyFJs2tlhcEALNc5kbx2h8SvRTDtZ4nE",
        "argon2id",
        True,
    ),
    ("$argon2i$m=8,t=1,p=1$MDEyMzQ1Njc$yX87dFuO6iFG2TgsnQ9hzw", "argon2id", True),
    # Django 5.2
    ("pbkdf2_sha256$1000$seasalt$YIWkt6M1JFXrHg5s0jZjBSc7C2Cz6QvchSJ0h8Y+i7c=", "pbkdf2_sha256", True),
    ("bcrypt$$2b$04$xMe7xVYojg5Xi5hMKsBomOIkJqTXP2EAWJG0dZGPqdv9FC0VyQS8K", "bcrypt", True),
    ("bcrypt_sha256$$2b$04$e41dxCAZTPRRclo5N2pSF.SoLesOBNEXmHyBHaGCRhurJhwYHV5mG", "bcrypt_sha256", True),
    (
        "argon2$argon2id$v=19$m=64,t=1,p=2$MDEyMzQ1Njc4OWFiY2RlZg$WSSfe1mnbabV5EdR0HMZ1l+3H3KWmc3xRljelgVL3V8",
        "argon2id",
        True,
    ),
]


@pytest.mark.parametrize("hashed, scheme, outdated", FOREIGN)
def test_accounts_from_elsewhere(hashed, scheme, outdated):
    assert ALL.identify(hashed) == scheme
    assert ALL.verify("password", hashed) is ALL.verify(b"password", hashed.encode()) is True
    assert ALL.verify("Password", hashed) is False
    assert ALL.verify("password\0", hashed) is False
    assert password_verify(b"password\0", hashed) is False
    own = PasswordHasher(CHEAP, scheme, bcrypt_rounds=4)
    assert own.needs_update(hashed) is outdated
    assert ALL.verify("password", hashed, scheme=scheme) is True
    other = "bcrypt" if scheme != "bcrypt" else "argon2id"
    assert ALL.verify("password", hashed, scheme=other) is False
    assert PasswordHasher([other], other).identify(hashed) is None


@pytest.mark.parametrize("hashed, scheme, outdated", FOREIGN)
def test_T15_they_are_rehashed_at_login(hashed, scheme, outdated):
    valid, fresh = ALL.verify_and_update("password", hashed)
    assert valid is True
    assert (fresh is not None) is (scheme != "bcrypt" or outdated)
    if fresh is not None:
        assert fresh.startswith("$2b$04$")
        assert ALL.verify_and_update("password", fresh) == (True, None)
    assert ALL.verify_and_update("wrong", hashed) == (False, None)


@pytest.mark.parametrize("scheme", ["argon2id", "bcrypt_sha256", "pbkdf2_sha256", "pbkdf2_sha512", "pbkdf2_sha1"])
def test_T15_a_lower_cost_is_rehashed(scheme):
    higher = {
        "argon2id": [Argon2Scheme(128, 1, 2), Argon2Scheme(64, 2, 2)],
        "bcrypt_sha256": [BcryptSha256Scheme(5)],
        "pbkdf2_sha256": [Pbkdf2Scheme("sha256", 11)],
        "pbkdf2_sha512": [Pbkdf2Scheme("sha512", 11)],
        "pbkdf2_sha1": [Pbkdf2Scheme("sha1", 11)],
    }[scheme]
    old = PasswordHasher(CHEAP, scheme, bcrypt_rounds=4)
    stored = old.hash("é" * 2000)
    assert old.needs_update(stored) is False
    for stronger in higher:
        hasher = PasswordHasher([stronger], scheme)
        valid, fresh = hasher.verify_and_update("é" * 2000, stored)
        assert valid is True and fresh != stored
        assert hasher.verify_and_update("é" * 2000, fresh) == (True, None)
        assert old.needs_update(fresh) is False, "a higher cost is kept"


def test_new_hashes_are_salted_and_every_byte_counts():
    for scheme in ("argon2id", "bcrypt_sha256", "pbkdf2_sha256", "pbkdf2_sha512", "pbkdf2_sha1"):
        hasher = PasswordHasher(CHEAP, scheme, bcrypt_rounds=4)
        secret = "x" * 4095
        first, second = hasher.hash(secret + "y"), hasher.hash(secret + "y")
        assert first != second
        assert hasher.verify(secret + "y", first) is hasher.verify(secret + "y", second) is True
        assert hasher.verify(secret + "z", first) is hasher.verify(secret, first) is False
        assert hasher.verify(secret + "yy", first) is False
        assert hasher.default_scheme() == hasher.identify(first) == scheme
        for wrong in ("", "a\0b", "x" * 4097, "é" * 2049, "\ud800"):
            with pytest.raises(PasswordError):
                hasher.hash(wrong)
            assert hasher.verify(wrong, first) is False


def test_the_dummy_hash_costs_what_a_login_costs():
    for scheme in ("argon2id", "bcrypt_sha256", "pbkdf2_sha256", "pbkdf2_sha512", "pbkdf2_sha1"):
        hasher = PasswordHasher(CHEAP, scheme, bcrypt_rounds=4)
        dummy = hasher._default.dummy_hash()
        assert hasher.identify(dummy) == scheme
        assert password_parse(dummy) == password_parse(hasher.hash("password"))
        assert hasher.dummy_verify() is False


def _work(call):
    """Time of this process's processor for a refusal, the least of some: what else the machine does is left out."""
    times = []
    for _ in range(15):
        start = time.process_time()
        assert call() is False
        times.append(time.process_time() - start)
    return min(times)


@pytest.mark.parametrize("scheme", [Argon2Scheme(8192, 1, 1), Pbkdf2Scheme("sha256", 50_000), BcryptSha256Scheme(7)])
def test_T9_unknown_users_and_wrong_passwords_take_the_same_time(scheme):
    hasher = PasswordHasher([scheme], scheme.name)
    stored = hasher.hash("secret")

    wrong = _work(lambda: hasher.verify("wrong", stored))
    for call in (hasher.dummy_verify, lambda: hasher.verify("x" * 5000, stored), lambda: hasher.verify("x", "none")):
        assert wrong / 2 < _work(call) < wrong * 2


@pytest.mark.parametrize(
    ("stored", "schemes", "default"),
    [
        (BcryptScheme(5), [BcryptScheme(9)], "bcrypt"),
        (BcryptSha256Scheme(8), [BcryptSha256Scheme(9)], "bcrypt_sha256"),
        (Pbkdf2Scheme("sha256", 1_000), [Pbkdf2Scheme("sha256", 50_000)], "pbkdf2_sha256"),
        (Argon2Scheme(1024, 1, 1), [Argon2Scheme(8192, 2, 1)], "argon2id"),
        (Argon2Scheme(8192, 1, 4), [Argon2Scheme(4096, 2, 2)], "argon2id"),
        (Argon2Scheme(8192, 1, 1), [Argon2Scheme(8192, 1, 1), BcryptScheme(9)], "bcrypt"),
        (Pbkdf2Scheme("sha256", 40_000), [Pbkdf2Scheme("sha256", 20_000), BcryptScheme(9)], "bcrypt"),
        (BcryptScheme(9), [Argon2Scheme(1024, 1, 1), BcryptScheme(9)], "argon2id"),
        (Pbkdf2Scheme("sha256", 1_000), [Pbkdf2Scheme("sha256", 20_000), BcryptScheme(9)], "bcrypt"),
        (BcryptScheme(5), [Pbkdf2Scheme("sha256", 50_000), BcryptScheme(6)], "bcrypt"),
    ],
)
def test_T9_a_hash_of_a_lower_cost_or_of_another_scheme_is_refused_in_the_time_of_an_unknown_name(
    stored, schemes, default
):
    hasher = PasswordHasher(schemes, default)
    hashed = stored.hash(b"secret")
    hasher.dummy_verify()  # measures
    wrong, unknown = _work(lambda: hasher.verify("wrong", hashed)), _work(hasher.dummy_verify)
    assert unknown / 1.6 < wrong < unknown * 1.6
    assert hasher.verify("secret", hashed)


def test_T9_the_work_of_a_hash_is_what_dummy_hashes_of_it_cost():
    for scheme in (BcryptScheme(9), BcryptSha256Scheme(9), Pbkdf2Scheme("sha1", 5_000), Argon2Scheme(1024, 3, 2)):
        full = scheme.work(scheme.dummy_hash())
        assert full == scheme.work(scheme.hash(b"secret")) > 0
        for part in (full, full // 2, full // 8, full - full // 16):
            dummies = scheme.dummy_hashes(part)
            assert all(map(scheme.identify, dummies))
            assert abs(sum(map(scheme.work, dummies)) - part) <= 16
        assert scheme.dummy_hashes(0) == scheme.dummy_hashes(-full) == []


def test_T9_a_scheme_of_ones_own_takes_part_as_far_as_it_can():
    class Own:
        name, max_secret, calls = "own", 100, 0

        def identify(self, hash):
            return hash.startswith("own")

        def verify(self, secret, hash):
            self.calls += 1
            return hash == "own" + secret.decode()

        def dummy_hash(self):
            return "own."

    own = Own()
    hasher = PasswordHasher([own, BcryptScheme(7)], "own")
    assert hasher.dummy_verify() is False  # of bcrypt, which takes longer
    before = own.calls
    wrong, unknown = _work(lambda: hasher.verify("wrong", "ownsecret")), _work(hasher.dummy_verify)
    assert unknown / 1.6 < wrong < unknown * 1.6
    assert own.calls == before + 15
    assert hasher.verify("secret", "ownsecret")


def test_T9_refusals_without_memory_are_refusals(caplog):
    class Hungry(Argon2Scheme):
        def verify(self, secret, hash):
            raise MemoryError

    hasher = PasswordHasher([Hungry(64, 1, 1), BcryptScheme(4)], "bcrypt")
    assert hasher.dummy_verify() is False
    assert hasher.verify("wrong", BcryptScheme(4).hash(b"secret")) is False
    assert caplog.text.count("there is not the memory that a password hash demands") == 2
    assert hasher.verify("secret", BcryptScheme(4).hash(b"secret"))


def test_T9_many_first_refusals_at_once_measure_once(monkeypatch):
    measured = []
    monkeypatch.setattr(passwords, "_seconds", lambda scheme: measured.append(scheme.name) or 0.0)
    hasher = PasswordHasher([BcryptScheme(4), Pbkdf2Scheme("sha1", 1)])
    threads = [threading.Thread(target=hasher.dummy_verify) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert measured == ["bcrypt", "pbkdf2_sha1"] * 3


NO_COSTS = [
    *(f"v={version}$m=64,t=2,p=2" for version in (18, 20, 0, "", "019", 2**32 + 19)),
    *(f"v=19$m={memory},t=2,p=2" for memory in (15, 0, 2**21 + 1, 2**32 + 64, "064", "+64", -64, "", 10**30)),
    *(f"v=19$m=64,t={passes},p=2" for passes in (0, 2**16 + 1, 2**32 + 2, "")),
    *(f"v=19$m=2000,t=2,p={lanes}" for lanes in (0, 65, 2**32 + 1, "")),
]

NO_HASHES = [
    "$argon2id$",
    "$argon2id$v=19$m=64,t=2,p=2$MDEyMzQ1Njc4OWFiY2RlZg$",
    "$argon2id$v=19$m=64,t=2,p=2$MDEyMzQ1Njc4OWFiY2RlZg$KzY0shwac7Wd",
    "$argon2id$v=19$m=64,t=2,p=2$$KzY0shwac7WdDSXS7D8RdfNN9PJf0xghZnmkY8y2pVw",
    *(f"$argon2id${costs}$MDEyMzQ1Njc4OWFiY2RlZg$KzY0shwac7WdDSXS7D8RdfNN9PJf0xghZnmkY8y2pVw" for costs in NO_COSTS),
    "$argon2x$v=19$m=64,t=2,p=2$MDEyMzQ1Njc4OWFiY2RlZg$KzY0shwac7WdDSXS7D8RdfNN9PJf0xghZnmkY8y2pVw",
    "$argon2id$v=19$t=2,m=64,p=2$MDEyMzQ1Njc4OWFiY2RlZg$KzY0shwac7WdDSXS7D8RdfNN9PJf0xghZnmkY8y2pVw",
    "$pbkdf2-sha256$0$MDEyMzQ1Njc4OWFiY2RlZg$hRRjgXWkW8ResfIvBP99J/T4vkgEmMRV/0tJTOjR59I",
    "$pbkdf2-sha256$100000001$MDEyMzQ1Njc4OWFiY2RlZg$hRRjgXWkW8ResfIvBP99J/T4vkgEmMRV/0tJTOjR59I",
    "$pbkdf2-sha256$$MDEyMzQ1Njc4OWFiY2RlZg$hRRjgXWkW8ResfIvBP99J/T4vkgEmMRV/0tJTOjR59I",
    "$pbkdf2-sha512$1000$MDEyMzQ1Njc4OWFiY2RlZg$hRRjgXWkW8ResfIvBP99J/T4vkgEmMRV/0tJTOjR59I",
    "$pbkdf2-sha384$1000$MDEyMzQ1Njc4OWFiY2RlZg$hRRjgXWkW8ResfIvBP99J/T4vkgEmMRV/0tJTOjR59I",
    "pbkdf2_sha256$1000$seasalt$YIWkt6M1JFXrHg5s0jZjBSc7C2Cz6QvchSJ0h8Y+i7c",
    "pbkdf2_sha256$1000$seasalt$YIWkt6M1JFXrHg5s0jZjBSc7C2Cz6QvchSJ0h8Y+i7d=",
    "pbkdf2_sha256$1000$seasalt",
    "pbkdf2_sha256$1000$" + "s" * 129 + "$YIWkt6M1JFXrHg5s0jZjBSc7C2Cz6QvchSJ0h8Y+i7c=",
    "$bcrypt-sha256$v=3,t=2b,r=4$n79VH.0Q2TMWmt3Oqt9uku$218k5nCh3D4YqdpX.Zv79C4bjOSjWea",
    "$bcrypt-sha256$v=2,t=2x,r=4$n79VH.0Q2TMWmt3Oqt9uku$218k5nCh3D4YqdpX.Zv79C4bjOSjWea",
    "$bcrypt-sha256$v=2,t=2b,r=3$n79VH.0Q2TMWmt3Oqt9uku$218k5nCh3D4YqdpX.Zv79C4bjOSjWea",
    "$bcrypt-sha256$v=2,t=2b,r=04$n79VH.0Q2TMWmt3Oqt9uku$218k5nCh3D4YqdpX.Zv79C4bjOSjWea",
    "bcrypt$$2x$04$xMe7xVYojg5Xi5hMKsBomOIkJqTXP2EAWJG0dZGPqdv9FC0VyQS8K",
    "bcrypt$2b$04$xMe7xVYojg5Xi5hMKsBomOIkJqTXP2EAWJG0dZGPqdv9FC0VyQS8K",
    "argon2$$argon2id$v=19$m=64,t=1,p=2$MDEyMzQ1Njc4OWFiY2RlZg$WSSfe1mnbabV5EdR0HMZ1l+3H3KWmc3xRljelgVL3V8",
    "!" + "x" * 40,  # Django's unusable password
    "md5$salt$0123456789abcdef0123456789abcdef",
    "x" * 10_000,
]


@pytest.mark.parametrize("stored", NO_HASHES, ids=lambda text: text[:60])
def test_T8_what_is_no_hash_of_any_scheme(stored, caplog):
    assert password_parse(stored) is None
    with pytest.raises(ValueError, match="no known form"):
        password_verify(b"password", stored)
    with caplog.at_level(logging.WARNING):
        assert ALL.verify("password", stored) is False
    assert "login refused" in caplog.text and stored not in caplog.text
    assert ALL.verify_and_update("password", stored) == (False, None)


@pytest.mark.parametrize("hashed, scheme, outdated", FOREIGN)
def test_T8_every_single_damage_is_refused_or_another_hash(hashed, scheme, outdated):
    for at in range(len(hashed)):
        for letter in "$.,=/+09Az":
            damaged = hashed[:at] + letter + hashed[at + 1 :]
            parsed = password_parse(damaged)
            assert parsed is None or isinstance(parsed[1], dict)
        assert password_parse(hashed[:at] + "é" + hashed[at + 1 :]) is None or hashed.startswith("pbkdf2_")
        assert password_parse(hashed[:at]) is None or scheme == "argon2id"


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="$argon2idbcryptpbkdf_sha256512v=19m,tpr-.A/+é", max_size=120))
def test_T8_no_text_makes_the_parser_fail(text):
    for prefix in ("", "$argon2id$", "$pbkdf2-sha256$", "pbkdf2_sha512$", "$bcrypt-sha256$", "$2b$"):
        parsed = password_parse(prefix + text)
        assert parsed is None or len(parsed) == 3


def test_T8_memory_that_is_not_there_is_a_refusal(caplog):
    class Huge(Argon2Scheme):
        def verify(self, secret, hash):
            raise MemoryError

    hasher = PasswordHasher([Huge(64, 1, 1)], "argon2id")
    assert hasher.verify("password", hasher.hash("password")) is False
    assert "memory" in caplog.text


# --- against others


def test_rfc_6070_vector_of_16777216_rounds():
    """The fourth one of section 2; the others are in tests/vectors/pbkdf2.txt."""
    key = base64.b64encode(bytes.fromhex("eefe3d61cd4da4e4e9945b3d6ba2158c2634e984")).decode()
    assert password_verify(b"password", f"pbkdf2_sha1$16777216$salt${key}") is True


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=200).filter(lambda text: 0 not in text),
    st.binary(min_size=8, max_size=64),
    st.integers(1, 3),
    st.integers(1, 5),
    st.integers(0, 300),
)
def test_argon2_equals_argon2_cffi(password, salt, passes, lanes, extra):
    low_level = pytest.importorskip("argon2.low_level")
    memory = 8 * lanes + extra
    mine = password_hash("argon2id", password, salt, memory=memory, passes=passes, lanes=lanes)
    theirs = low_level.hash_secret(password, salt, passes, memory, lanes, 32, low_level.Type.ID).decode()
    assert mine == theirs
    for kind in (low_level.Type.I, low_level.Type.D):
        theirs = low_level.hash_secret(password, salt, passes, memory, lanes, 24, kind).decode()
        assert password_verify(password, theirs) is True
        assert password_verify(password + b"x", theirs) is False


def test_argon2_cffi_verifies_ours():
    argon2 = pytest.importorskip("argon2")
    hashed = PasswordHasher([Argon2Scheme()], "argon2id").hash("pässword")
    assert argon2.PasswordHasher().verify(hashed, "pässword")
    assert argon2.PasswordHasher().check_needs_rehash(hashed) is False


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=200).filter(lambda text: 0 not in text),
    st.binary(max_size=100),
    st.integers(1, 50),
    st.sampled_from(["sha256", "sha512", "sha1"]),
)
def test_pbkdf2_equals_hashlib(password, salt, rounds, digest):
    mine = password_hash(f"pbkdf2_{digest}", password, salt, rounds=rounds)
    derived = hashlib.pbkdf2_hmac(digest, password, salt, rounds)
    encoded = base64.b64encode(derived).rstrip(b"=").decode().replace("+", ".")
    assert mine.endswith("$" + encoded)
    if b"$" not in salt:
        django = f"pbkdf2_{digest}${rounds}$".encode() + salt + b"$" + base64.b64encode(derived)
        assert password_verify(password, django) is True


@pytest.mark.filterwarnings("ignore")
def test_passlib_verifies_ours_and_we_theirs():
    passlib_hash = pytest.importorskip("passlib.hash")
    for name in ("pbkdf2_sha256", "pbkdf2_sha512", "pbkdf2_sha1"):
        handler = getattr(passlib_hash, name)
        assert handler.verify("pässword", PasswordHasher(CHEAP, name).hash("pässword"))
        for _ in range(20):
            theirs = handler.using(rounds=7).hash("pässword")
            assert ALL.verify("pässword", theirs) is True
            assert ALL.verify("password", theirs) is False


def test_bcrypt_sha256_is_bcrypt_of_a_digest():
    bcrypt = pytest.importorskip("bcrypt")
    hashed = PasswordHasher([BcryptSha256Scheme(4)], "bcrypt_sha256").hash("x" * 100)
    _, _, _, salt, digest = hashed.split("$")
    # HMAC-SHA256 with the salt as key (passlib's documentation)
    secret = base64.b64encode(hmac.digest(salt.encode(), b"x" * 100, "sha256"))
    assert bcrypt.hashpw(secret, f"$2b$04${salt}".encode()).decode()[29:] == digest


# --- arguments


@pytest.mark.parametrize(
    "call, error",
    [
        (lambda: Argon2Scheme(memory=7), ValueError),
        (lambda: Argon2Scheme(memory=31, lanes=4), ValueError),
        (lambda: Argon2Scheme(memory=2**21 + 1), ValueError),
        (lambda: Argon2Scheme(passes=0), ValueError),
        (lambda: Argon2Scheme(lanes=65), ValueError),
        (lambda: Pbkdf2Scheme("md5"), ValueError),
        (lambda: Pbkdf2Scheme(rounds=0), ValueError),
        (lambda: BcryptSha256Scheme(32), ValueError),
        (lambda: ALL.hash("x", scheme="argon2id", rounds=5), TypeError),
        (lambda: ALL.hash("x", scheme="argon2id", memory=8, lanes=3), ValueError),
        (lambda: ALL.hash("x", scheme="pbkdf2_sha256", rounds=10**9), ValueError),
        (lambda: password_hash("md5", b"x", SALT), ValueError),
        (lambda: password_hash("argon2id", b"x", b"short", memory=8, passes=1, lanes=1), ValueError),
        (lambda: password_hash("argon2id", b"x", SALT), ValueError),
        (lambda: password_hash("argon2id", b"x\0", SALT, memory=8, passes=1, lanes=1), ValueError),
        (lambda: password_hash("pbkdf2_sha256", b"x", SALT), ValueError),
        (lambda: password_hash("pbkdf2_sha256", b"x", b"s" * 129, rounds=1), ValueError),
        (lambda: password_hash("pbkdf2_sha256", b"x", SALT, rounds=2**32 + 1), ValueError),
        (lambda: password_hash("bcrypt", b"x", b"s" * 15, rounds=4), ValueError),
        (lambda: password_hash("bcrypt", b"x", SALT, rounds=3), ValueError),
        (lambda: password_hash("bcrypt", "x", SALT, rounds=4), TypeError),
        (lambda: password_verify("x", FOREIGN[0][0]), TypeError),
        (lambda: password_verify(b"x", 5), TypeError),
        (lambda: password_parse(None), TypeError),
    ],
)
def test_wrong_arguments_are_told(call, error):
    with pytest.raises(error):
        call()
    assert password_parse("$2b$\ud800") is None


def test_settings_of_one_hash():
    assert "m=72,t=2,p=1$" in ALL.hash("x", scheme="argon2id", memory=72, passes=2, lanes=1)
    assert ALL.hash("x", scheme="pbkdf2_sha512", rounds=3).startswith("$pbkdf2-sha512$3$")
    assert ALL.hash("x", scheme="bcrypt_sha256", rounds=5).startswith("$bcrypt-sha256$v=2,t=2b,r=5$")
    assert set(PasswordHasher(list(passwords.BUILT_IN)).schemes()) == set(passwords.BUILT_IN)


# --- off the event loop


def test_T11_a_burst_of_logins_stalls_nobody():
    hasher = PasswordHasher(bcrypt_rounds=10)
    stored = hasher.hash("secret")
    running, most, lock = 0, 0, threading.Lock()

    def login():
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        valid = hasher.verify("secret", stored)
        with lock:
            running -= 1
        return valid

    async def main():
        stalls = []

        async def watch():
            while True:
                start = time.perf_counter()
                await asyncio.sleep(0.001)
                stalls.append(time.perf_counter() - start)

        watcher = asyncio.create_task(watch())
        assert await asyncio.gather(*(in_hashing_thread(login) for _ in range(8))) == [True] * 8
        watcher.cancel()
        return max(stalls)

    assert min(asyncio.run(main()) for _ in range(3)) < 0.05
    assert most <= cores()


def test_the_hashing_threads_are_not_those_of_sync_endpoints():
    import anyio.to_thread

    async def main():
        release = threading.Event()
        blocked = [asyncio.create_task(in_hashing_thread(release.wait)) for _ in range(60)]
        await asyncio.sleep(0.05)
        try:
            with anyio.fail_after(5):
                assert await anyio.to_thread.run_sync(lambda: 5) == 5
        finally:
            release.set()
        assert await asyncio.gather(*blocked) == [True] * 60

    for _ in range(2):  # each event loop has its own
        asyncio.run(main())


def test_the_gil_is_released():
    hashed = ALL.hash("secret", scheme="argon2id", memory=30_000, passes=3, lanes=1)
    ticks = 0
    done = threading.Event()

    def count():
        nonlocal ticks
        while not done.is_set():
            ticks += 1
            time.sleep(0.0005)

    thread = threading.Thread(target=count)
    thread.start()
    assert ALL.verify("secret", hashed) is True
    done.set()
    thread.join()
    assert ticks > 3
