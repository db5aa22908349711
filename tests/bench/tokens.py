"""Speed of the token codec, as ratios within one run, so that the machine does not matter.

    python -m tests.bench.tokens

One HS256 token with the claims of ``JwtTokenStore``, and one with ``iat`` and ``jti`` as well: ``decode`` (signature,
strict parsing and claims) and ``encode``, against ``hmac.digest`` on the bytes that are signed, and PyJWT.  Ends
with status 1 when a bar is missed.
"""

from __future__ import annotations

import hmac
import sys
import time
import timeit
from collections.abc import Callable

import jwt

from fastapi_user_auth_c.tokens import TokenCodec

DIGEST_BAR = 1.0
PYJWT_BAR = 40

KEY = b"0123456789abcdef0123456789abcdef"


def best(calls: list[Callable[[], object]], number: int = 2000, repeats: int = 30) -> list[float]:
    """Seconds of one call of each, the best of many runs in turn, without the call of the lambda around it."""
    found = [float("inf")] * (len(calls) + 1)
    for _ in range(repeats):
        for index, call in enumerate([*calls, lambda: None]):
            found[index] = min(found[index], timeit.timeit(call, number=number) / number)
    return [max(seconds - found[-1], 1e-9) for seconds in found[:-1]]


def main() -> int:
    now = int(time.time())
    small = {"id": 1, "username": "admin", "exp": now + 3600}
    samples = {"small": small, "full": {**small, "iat": now, "jti": "0123456789abcdef0123456789abcdef"}}
    codec = TokenCodec(KEY)
    missed: list[str] = []
    print(
        f"{'claims':>6} {'call':>6} {'here':>9} {'digest':>9} {'ratio':>6} {'bar':>5} "
        f"{'PyJWT':>9} {'times':>6} {'bar':>4}"
    )
    for name, claims in samples.items():
        token = codec.encode(claims)
        signed = token.rpartition(".")[0].encode()
        assert codec.decode(token) == claims == jwt.decode(token, KEY, ["HS256"])
        assert token == jwt.encode(claims, KEY, "HS256")
        (digest,) = best([lambda signed=signed: hmac.digest(KEY, signed, "sha256")])
        calls: dict[str, list[Callable[[], object]]] = {
            "decode": [lambda t=token: codec.decode(t), lambda t=token: jwt.decode(t, KEY, ["HS256"])],
            "encode": [lambda c=claims: codec.encode(c), lambda c=claims: jwt.encode(c, KEY, "HS256")],
        }
        for call, pair in calls.items():
            here, theirs = best(pair[:1])[0], best(pair[1:], 200)[0]
            ratio, times = here / digest, theirs / here
            print(
                f"{name:>6} {call:>6} {here * 1e6:>6.2f} us {digest * 1e6:>6.2f} us {ratio:>6.2f} {DIGEST_BAR:>5.2f} "
                f"{theirs * 1e6:>6.1f} us {times:>5.0f}x {PYJWT_BAR:>3}x",
                flush=True,
            )
            if ratio > DIGEST_BAR:
                missed.append(f"{call} of the {name} claims: {ratio:.2f} of hmac.digest, not {DIGEST_BAR}")
            if times < PYJWT_BAR:
                missed.append(f"{call} of the {name} claims: {times:.0f}x PyJWT, not {PYJWT_BAR}x")
    for line in missed:
        print("missed:", line)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
