"""Speed of the token codec, as ratios within one run, so that the machine does not matter.

    python -m tests.bench.tokens [--quick]

One HS256 token with the claims of ``JwtTokenStore``, and one with ``iat`` and ``jti`` as well: ``decode`` (signature,
strict parsing and claims) and ``encode``, against ``hmac.digest`` on the bytes that are signed, PyJWT and python-jose,
which the original uses.  Ends with status 1 when a bar is missed.
"""

from __future__ import annotations

import hmac
import sys
import time
from collections.abc import Callable, Iterator

import jwt

from fastapi_user_auth_c.tokens import TokenCodec

from .report import Options, Result, Row, alone, middle, missing, ratios, timings

try:
    from jose import jwt as jose
except ImportError:
    jose = None

DIGEST_BAR = 1.0
PYJWT_BAR = 40

KEY = b"0123456789abcdef0123456789abcdef"


def rows(options: Options) -> Iterator[Result]:
    now = int(time.time())
    three = {"id": 1, "username": "admin", "exp": now + 3600}
    samples = {"three claims": three, "five": {**three, "iat": now, "jti": "0123456789abcdef0123456789abcdef"}}
    codec, text_key = TokenCodec(KEY), KEY.decode()
    turns = 2 if options.quick else 30
    for name, claims in samples.items():
        token = codec.encode(claims)
        signed = token.rpartition(".")[0].encode()
        assert codec.decode(token) == claims == jwt.decode(token, KEY, ["HS256"])
        assert token == jwt.encode(claims, KEY, "HS256")
        ways: dict[str, dict[str, Callable[[], object]]] = {
            "decode": {
                "here": lambda t=token: codec.decode(t),
                "hmac.digest": lambda s=signed: hmac.digest(KEY, s, "sha256"),
                "PyJWT": lambda t=token: jwt.decode(t, KEY, ["HS256"]),
            },
            "encode": {
                "here": lambda c=claims: codec.encode(c),
                "hmac.digest": lambda s=signed: hmac.digest(KEY, s, "sha256"),
                "PyJWT": lambda c=claims: jwt.encode(c, KEY, "HS256"),
            },
        }
        if jose is not None:
            assert jose.decode(token, text_key, ["HS256"]) == claims
            ways["decode"]["python-jose"] = lambda t=token: jose.decode(t, text_key, ["HS256"])
            ways["encode"]["python-jose"] = lambda c=claims: jose.encode(c, text_key, "HS256")
        for call, calls in ways.items():
            times = dict(zip(calls, timings(list(calls.values()), options.runs, turns, idle=True), strict=True))
            here = times.pop("here")
            for rival, theirs in times.items():
                detail = f"{middle(here)}, {rival} {middle(theirs)}"
                if rival == "hmac.digest":
                    what, found, bar = "against `hmac.digest`", ratios(here, theirs), DIGEST_BAR
                    yield Row(f"HS256 {call}, {name}, {what}", found, "of it", bar, detail=detail)
                else:
                    bar = PYJWT_BAR if rival == "PyJWT" else None
                    found = ratios(theirs, here)
                    yield Row(f"HS256 {call}, {name}, against {rival}", found, "times faster", bar, True, detail)
    if jose is None:
        yield missing("python-jose", "tokens against python-jose")


if __name__ == "__main__":
    sys.exit(alone(rows, __doc__))
