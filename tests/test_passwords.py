"""bcrypt in C and :class:`PasswordHasher`: published vectors, the bcrypt package, hashes nobody should have stored."""

from __future__ import annotations

import json
import logging
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastapi_user_auth_c._core import bcrypt_hash, bcrypt_parse, bcrypt_verify
from fastapi_user_auth_c.passwords import BcryptScheme, PasswordError, PasswordHasher

VECTORS = json.loads((Path(__file__).parent / "vectors" / "bcrypt.json").read_text())


def pairs(vectors):
    return [(bytes.fromhex(vector["password_hex"]), vector["hash"]) for vector in vectors]


PUBLISHED = pairs(VECTORS["openwall"]) + pairs(VECTORS["jbcrypt"])
CHEAP = PasswordHasher(bcrypt_rounds=4)
HASHED = bcrypt_hash(b"secret", b"0123456789abcdef", 4)

# --- the C functions


@pytest.mark.parametrize("password, hashed", PUBLISHED)
def test_published_vectors(password, hashed):
    assert bcrypt_verify(password, hashed) is True
    assert bcrypt_verify(password, hashed.encode()) is True
    assert bcrypt_verify(b"x" + password, hashed) is False
    assert bcrypt_parse(hashed) == (hashed[1:3], int(hashed[4:6]))
    for variant in ("2a", "2b", "2y"):
        assert bcrypt_verify(password, f"${variant}{hashed[3:]}") is True


@pytest.mark.parametrize("password, hashed", pairs(VECTORS["refused"]["vectors"]))
def test_T8_the_faulty_variant_is_no_hash(password, hashed):
    assert bcrypt_parse(hashed) is None
    with pytest.raises(ValueError, match="not a"):
        bcrypt_verify(password, hashed)
    assert CHEAP.verify(password, hashed) is False


@pytest.mark.parametrize("password, hashed", pairs(VECTORS["changed"]["vectors"]))
def test_hashes_that_only_crypt_blowfish_computes_do_not_match(password, hashed):
    assert bcrypt_verify(password, hashed) is False


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=80).filter(lambda text: 0 not in text), st.binary(min_size=16, max_size=16))
def test_random_inputs_equal_the_bcrypt_package(password, salt):
    bcrypt = pytest.importorskip("bcrypt")
    hashed = bcrypt_hash(password, salt, 4)
    setting = hashed[:29].encode()
    assert bcrypt.hashpw(password[:72], setting).decode() == hashed
    assert bcrypt_verify(password, hashed) is True


def test_hashes_of_the_bcrypt_package_verify():
    bcrypt = pytest.importorskip("bcrypt")
    for prefix in (b"2a", b"2b"):
        hashed = bcrypt.hashpw("pässword".encode(), bcrypt.gensalt(4, prefix)).decode()
        assert CHEAP.verify("pässword", hashed) is True
        assert CHEAP.verify("password", hashed) is False


def test_hashes_of_passlib_verify():
    # made with passlib 1.7.4: bcrypt.using(rounds=4, ident=...).hash("pässword")
    for hashed in (
        "$2b$04$rcyaI09ojHECVJo5kbjZreklsY3..Dp5bScQfOf7WAqZ5u79FSvO2",
        "$2a$04$1t79Ik5bcx6qYvZW/KQlMO6DliaauDfRhh0mM3csRNOSUOreJ9tj6",
        "$2y$04$tGeR2SvnhY3oq8NObxXUze7S/fPUFPWTgqrXvygNHzVCtW7cXxAnK",
    ):
        assert CHEAP.verify("pässword", hashed) is True
        assert CHEAP.verify("pässwore", hashed) is False


def test_bytes_after_the_72nd_do_not_count():
    hashed = bcrypt_hash(b"a" * 72, b"s" * 16, 4)
    assert bcrypt_hash(b"a" * 72 + b"more", b"s" * 16, 4) == hashed
    assert bcrypt_verify(b"a" * 5000, hashed) is True
    assert bcrypt_verify(b"a" * 71, hashed) is False


def test_T7_a_nul_never_matches():
    for password in (b"\0", b"a\0", b"a\0b", b"a" * 80 + b"\0"):
        with pytest.raises(ValueError, match=r"'password'.*NUL"):
            bcrypt_hash(password, b"s" * 16, 4)
    assert bcrypt_verify(b"a\0a", bcrypt_hash(b"a", b"s" * 16, 4)) is False


BAD_ARGUMENTS = [
    (lambda: bcrypt_hash("text", b"s" * 16, 4), TypeError, "'password' must be bytes, not str"),
    (lambda: bcrypt_hash(b"x", "s" * 16, 4), TypeError, "'salt' must be bytes, not str"),
    (lambda: bcrypt_hash(b"x", b"s" * 16, 4.0), TypeError, "'cost' must be int, not float"),
    (lambda: bcrypt_hash(b"x", b"s" * 16, 4, 2), TypeError, "'variant' must be str, not int"),
    (lambda: bcrypt_hash(b"x", b"s" * 15, 4), ValueError, "'salt' must be 16 bytes, not 15"),
    (lambda: bcrypt_hash(b"x", b"s" * 16, 3), ValueError, "'cost' must be between 4 and 31, not 3"),
    (lambda: bcrypt_hash(b"x", b"s" * 16, 32), ValueError, "'cost' must be between 4 and 31"),
    (lambda: bcrypt_hash(b"x", b"s" * 16, 10**30), ValueError, "'cost' must be between 4 and 31"),
    (lambda: bcrypt_hash(b"x", b"s" * 16, 4, "2x"), ValueError, "'variant' must be '2a', '2b' or '2y', not '2x'"),
    (lambda: bcrypt_verify("text", HASHED), TypeError, "'password' must be bytes, not str"),
    (lambda: bcrypt_verify(b"x", None), TypeError, "'hashed' must be str or bytes, not NoneType"),
    (lambda: bcrypt_parse(5), TypeError, "'hashed' must be str or bytes, not int"),
]


@pytest.mark.parametrize("call, error, words", BAD_ARGUMENTS, ids=[words for *_, words in BAD_ARGUMENTS])
def test_wrong_arguments_are_named(call, error, words):
    with pytest.raises(error, match=words.replace("(", r"\(")):
        call()


def test_hashing_leaves_the_interpreter_free():
    gaps, started, running = [], time.perf_counter(), True
    hashed = BcryptScheme(12).dummy_hash()

    def work():
        nonlocal running
        bcrypt_verify(b"secret", hashed)
        running = False

    thread = threading.Thread(target=work)
    thread.start()
    last = time.perf_counter()
    while running:
        now = time.perf_counter()
        gaps.append(now - last)
        last = now
    thread.join()
    assert max(gaps) < (time.perf_counter() - started) / 2


# --- PasswordHasher


def test_a_new_hash_verifies_and_is_salted():
    first, second = CHEAP.hash("secret"), CHEAP.hash(b"secret")
    assert first != second
    assert first.startswith("$2b$04$")
    for hashed in (first, second):
        assert CHEAP.verify("secret", hashed) is CHEAP.verify(b"secret", hashed.encode()) is True
        assert CHEAP.verify("Secret", hashed) is False
        assert CHEAP.needs_update(hashed) is False
    assert CHEAP.hash("secret", rounds=5).startswith("$2b$05$")
    assert CHEAP.hash("secret", scheme="bcrypt", category="admin").startswith("$2b$04$")
    assert PasswordHasher().hash("secret", rounds=4).startswith("$2b$04$")


NO_HASHES = [
    None,
    "",
    b"",
    "secret",
    "$2b$",
    HASHED[:59],
    HASHED + "x",
    HASHED.replace("$04$", "$03$"),
    HASHED.replace("$04$", "$32$"),
    HASHED.replace("$04$", "$4$"),
    HASHED.replace("$04$", "$+4$"),
    HASHED.replace("$2b$", "$2x$"),
    HASHED.replace("$2b$", "$2$"),
    HASHED.replace("$2b$", "$2c$"),
    HASHED[:40] + "!" + HASHED[41:],
    HASHED[:40] + "\0" + HASHED[41:],
    HASHED[:40] + "é" + HASHED[41:],
    HASHED[:40] + "\udcff" + HASHED[41:],
    HASHED.encode()[:40] + b"\xff" + HASHED.encode()[41:],
    f" {HASHED}",
    "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaA",
    5,
]


@pytest.mark.parametrize("stored", NO_HASHES, ids=repr)
def test_T8_what_is_no_hash_is_refused_and_logged(stored, caplog):
    with caplog.at_level(logging.WARNING):
        assert CHEAP.verify("secret", stored) is False
    [record] = caplog.records
    assert "login refused" in record.getMessage()
    if stored:
        assert str(stored) not in record.getMessage(), "it may be somebody's password"
    assert CHEAP.identify(stored) is None
    assert CHEAP.verify_and_update("secret", stored) == (False, None)


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=70), st.binary(max_size=70)))
def test_T8_no_text_makes_verify_raise(stored):
    assert CHEAP.verify("secret", stored) is False


def test_every_single_damage_is_refused():
    for at in range(60):
        for letter in "$./AZaz09é":
            damaged = HASHED[:at] + letter + HASHED[at + 1 :]
            known = bcrypt_parse(damaged)
            if damaged != HASHED and (known is None or known[1] == 4):
                # what differs only in the variant or in bits that hold no data is the same hash
                same = at == 2 or (at in (28, 59) and CHEAP.needs_update(damaged))
                assert CHEAP.verify("secret", damaged) is False or same, damaged


class Counting(BcryptScheme):
    def __init__(self):
        super().__init__(4)
        self.verified = []

    def verify(self, secret, hash):
        self.verified.append(hash)
        return super().verify(secret, hash)


def test_every_answer_costs_one_verification():
    scheme = Counting()
    hasher = PasswordHasher([scheme])
    stored = hasher.hash("secret")
    asked = [("secret", stored), ("wrong", stored), ("", stored), ("a\0b", stored), ("x" * 5000, stored)]
    asked += [("\ud800", stored), ("secret", None), ("secret", "plain"), ("", "")]
    for number, (secret, hashed) in enumerate(asked, 1):
        assert hasher.verify(secret, hashed) is (number == 1)
        assert len(scheme.verified) == number
    assert hasher.dummy_verify() is False
    assert bcrypt_parse(scheme.verified[-1]) == ("2b", 4)


@pytest.mark.parametrize("secret", ["", b"", "a\0b", "\ud800", "x" * 73, "é" * 37, "x" * 5000])
def test_T7_passwords_that_cannot_be_represented_cannot_be_set(secret):
    with pytest.raises(PasswordError, match="password"):
        CHEAP.hash(secret)
    assert issubclass(PasswordError, ValueError)


def test_T7_old_hashes_of_longer_passwords_still_verify():
    stored = bcrypt_hash(b"x" * 90, b"s" * 16, 4)
    assert CHEAP.verify("x" * 90, stored) is True
    assert CHEAP.verify_and_update("x" * 90, stored.replace("$2b$", "$2a$")) == (True, None)


def test_verify_and_update_replaces_what_is_outdated():
    stronger = PasswordHasher(bcrypt_rounds=5)
    untidy = HASHED[:28] + chr(ord(HASHED[28]) + 1) + HASHED[29:]
    for stored in (HASHED, HASHED.replace("$2b$", "$2a$"), HASHED.replace("$2b$", "$2y$"), untidy):
        assert stronger.needs_update(stored) is True
        valid, fresh = stronger.verify_and_update("secret", stored)
        assert valid is True
        assert fresh.startswith("$2b$05$")
        assert stronger.verify_and_update("secret", fresh) == (True, None)
        assert stronger.verify_and_update("wrong", stored) == (False, None)
    assert CHEAP.needs_update(stronger.hash("secret")) is False, "a higher cost is kept"
    assert CHEAP.needs_update(untidy) is True
    assert CHEAP.needs_update("plain text") is True


def test_identify_and_schemes():
    assert CHEAP.identify(HASHED) == CHEAP.identify(HASHED.encode()) == "bcrypt"
    assert CHEAP.schemes() == ("bcrypt",)
    assert CHEAP.default_scheme() == "bcrypt"
    assert PasswordHasher("bcrypt").schemes() == ("bcrypt",)


class Reversed:
    """Somebody's own scheme (do not use it)."""

    name, max_secret = "reversed", 100

    def identify(self, hash):
        return hash.startswith("reversed:")

    def hash(self, secret, **settings):
        return "reversed:" + secret.decode()[::-1]

    def verify(self, secret, hash):
        return self.hash(secret) == hash

    def needs_update(self, hash):
        return False

    def dummy_hash(self):
        return "reversed:"


def test_another_scheme_beside_bcrypt():
    hasher = PasswordHasher([Reversed(), "bcrypt"], bcrypt_rounds=4)
    old = hasher.hash("secret", scheme="reversed")
    assert hasher.identify(old) == "reversed"
    assert hasher.verify("secret", old) is True
    assert hasher.verify("secret", old, scheme="reversed") is True
    assert hasher.verify("secret", old, scheme="bcrypt") is False
    valid, fresh = hasher.verify_and_update("secret", old)
    assert (valid, hasher.identify(fresh)) == (True, "bcrypt")


def test_wrong_settings_are_told():
    for call, words in [
        (lambda: PasswordHasher(["md5"]), "unknown password scheme 'md5'"),
        (lambda: PasswordHasher([]), "default scheme"),
        (lambda: PasswordHasher(default="argon2"), "default scheme 'argon2'"),
        (lambda: PasswordHasher(bcrypt_rounds=3), "between 4 and 31, not 3"),
        (lambda: CHEAP.hash("secret", scheme="md5"), "unknown password scheme"),
        (lambda: CHEAP.verify("secret", HASHED, scheme="md5"), "unknown password scheme"),
        (lambda: CHEAP.hash("secret", rounds=99), "between 4 and 31"),
    ]:
        with pytest.raises(ValueError, match=words):
            call()
    for call in (lambda: CHEAP.hash(5), lambda: CHEAP.verify(None, HASHED), lambda: CHEAP.hash("x", memory=5)):
        with pytest.raises(TypeError):
            call()
