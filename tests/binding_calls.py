"""Some use of everything the extension has, for ``test_binding.py``; its text also runs in other interpreters."""

import _imp as imp

MODEL = """[request_definition]
r = sub, dom, obj
[policy_definition]
p = sub, dom, obj, eft
[role_definition]
g = _, _, _
[policy_effect]
e = priority(p.eft) || deny
[matchers]
m = g(r.sub, p.sub, r.dom) && r.dom == p.dom && keyMatch(r.obj, p.obj)
"""
ROLE = "r:" + "x" * 40
RULE = (ROLE, "page", "page:*", "page", "allow")
LINKS = [("u:1", ROLE), (ROLE, "r:2")]
KEY = ("HS256", "k", b"0123456789abcdef0123456789abcdef")
TERMS = [
    ("a", "in", False, (("integer", 3, 0), ("integer", 5, 1))),
    [[("a", "<", False, (("integer", 4, 2),))], [("b", ">=", False, (("real", 1.5, 3),)), (7, "clause", False, ())]],
]
SHORT = [
    ("a", "in", False, (0, 1)),
    [[("a", "<", False, (2,))], [("b", ">=", False, (3,)), (7, "clause", False, ())]],
]


def cases(core):
    """(call, what comes of it: a value, or the name of an exception); no call defines a function, which CPython 3.12
    crashes at where memory runs out."""

    def sign(data):
        return b"signed"

    def verify(mark, data):
        return mark == b"signed"

    def number_of(entry):
        return entry[0]

    def engine():
        made = core.PolicyEngine()
        made.add("p", [RULE])
        made.add("g", LINKS)
        made.add("g2", [("site", "page")])
        return made

    def custom():
        made = core.PolicyEngine()
        made.define(MODEL)
        made.add("g", [("al", "admin", "d")])
        made.add("p", [("admin", "d", "/a*", "allow")])
        return made.enforce("al", "d", "/a/b"), made.enforce_ex("al", "d", "x"), made.reasons("al", "d", "/a")[:2]

    def changed():
        made, other = engine(), engine()
        made.exchange(other)
        made.remove("g", LINKS[:1])
        made.remove("p", [RULE])
        made.enabled = False
        return made.count("p"), made.count("g"), other.count("g"), made.enforce("a", "b", "c", "d")

    def loaded():
        made = core.PolicyEngine()
        rows = [
            (1, "p", *RULE),
            (2, "g", "a", "b", None),
            (3, "g", "b", "a"),
            (4, "x", "y"),
            (5, "p", "a", None),
            (6, 7),
        ]
        skipped = made.load([*rows, (8, "g", "a", 3), (9, "g", "a", "b", "c"), (10, "p", *RULE[:4], "perhaps")])
        return made.settle(1), made.settle(), made.cycle() in ("a", "b"), list(map(number_of, skipped))

    def asked():
        made = engine()
        return [
            made.enforce("u:1", "page", "page:list", "page"),
            made.enforce_ex("u:1", "page", "page:list", "page"),
            made.reasons("u:1", "site", "page:list", "page")[2],
            made.level("r:2"),
            made.batch_enforce([("u:1", "site", "page:list", "page"), ["u:root", "", "", ""]]),
            made.enforce_each("u:1", [("site", "page:list", "page"), ["page", "other", "page"]]),
        ]

    answers = [
        True,
        (True, list(RULE)),
        [(list(RULE), 1, ["u:1", ROLE], ["site", "page"])],
        2,
        [True, True],
        [True, False],
    ]

    def told():
        made = engine()
        rules = made.rules("p"), made.rules("p", 1, ["page"]), made.rules("g", 1, ["nobody"])
        return [
            *map(len, rules),
            made.types(),
            list(map(len, made.fields())),
            made.has_rule("p", RULE),
            made.reach("g", "u:1"),
            made.reach("g", "r:2", None, True),
            made.cycle(),
        ]

    facts = [1, 1, 0, {"p": 5, "g": 2, "g2": 2}, [4, 5], True, [ROLE, "r:2"], [ROLE, "u:1"], None]

    def token():
        codec = core.TokenCodec([KEY], audience="a", issuer="i", required=("sub",), leeway=5)
        text = codec.encode({"sub": "u", "n": [1, 2.5, None, True, {"k": "\u00e9"}]}, lifetime=60, now=1000)
        return codec.decode(text, now=1001)["n"], codec.decode(text.encode(), now=1001)["exp"]

    def large_token():
        codec = core.TokenCodec([KEY], audience="b", max_size=30_000)
        text = core.TokenCodec([KEY], max_size=30_000).encode(
            {"aud": ["a", "b"], "many": ["\u00e9" * 500] * 9, "n": [-1.5e300, 10**15, -7, False]}
        )
        claims = codec.decode(text)
        return claims["aud"], len(claims["many"]), claims["n"]

    def expired_token():
        codec = core.TokenCodec([KEY])
        codec.decode(codec.encode({}, lifetime=1, now=10), now=100)

    def forged_token():
        codec = core.TokenCodec([KEY])
        codec.decode(codec.encode({})[:-4] + "AAAA")

    def of_callables():
        codec = core.TokenCodec([("EdDSA", None, sign, verify)])
        return codec.decode(codec.encode({"sub": "u"}))

    def another_audience():
        return core.TokenCodec([KEY], audience="b").decode(core.TokenCodec([KEY], audience="a").encode({}))

    def ruled(name, *arguments):
        return lambda: getattr(engine(), name)(*arguments)

    def disabled():
        made = engine()
        made.enabled = []
        return made.enforce_ex("a"), made.enforce_each("a", [("b", "c", "d")]), made.enabled, made.generation > 2

    def undeletable():
        del engine().enabled

    def truthless():
        engine().enabled = Truthless()

    class Truthless:
        def __bool__(self):
            raise ArithmeticError

    class Holder(core.PolicyEngine):
        pass

    class Signer(core.TokenCodec):
        def sign(self, data):
            return b"signed"

    def collected():
        """Objects that hold themselves, which only the collector finds."""
        made = Holder()
        made.itself = made
        made.enforce("a", "b", "c", "d")
        codec = Signer.__new__(Signer)
        codec.__init__([("EdDSA", None, codec.sign, verify)])

    def of_domain():
        made = core.PolicyEngine()
        made.define(MODEL)
        made.add("g", [("al", "admin", "d"), ("al", "boss", "e")])
        return made.reach("g", "al", "d"), made.reach("g", "boss", "e", 1), made.reach("g", "al"), made.define()

    def again():
        """Another module of the same extension, with types of its own."""
        other = imp.create_dynamic(core.__spec__)
        imp.exec_dynamic(other)
        return other.PolicyEngine is not core.PolicyEngine

    refused = [
        ("ArithmeticError", truthless),
        ("AttributeError", undeletable),
        ("TypeError", lambda: core.PolicyEngine(1)),
        ("TypeError", lambda: core.PolicyEngine(model="")),
        ("TypeError", ruled("define", 1, 2)),
        ("TypeError", ruled("define", 3)),
        ("TypeError", ruled("add", "p")),
        ("TypeError", ruled("add", "p", [3])),
        ("TypeError", ruled("add", "p", ["x" * 17])),
        ("ValueError", ruled("add", "p", [["x"] * 17])),
        ("TypeError", ruled("check", "g")),
        ("RuleError", ruled("check", "q", [])),
        ("RuleError", ruled("check", "g", [("a",)])),
        ("RuleError", ruled("add", "p", [("u:root", "b", "c", "d", "allow")])),
        ("CycleError", ruled("check", "g", [("r:2", "u:1")], [("x", "y")])),
        ("TypeError", ruled("check", "g", [("a", "b")], 3)),
        ("TypeError", ruled("check", "g", [("a", "b")], [3])),
        ("TypeError", ruled("remove", "p")),
        ("RuleError", ruled("remove", "q", [])),
        ("TypeError", ruled("remove", "p", [3])),
        ("TypeError", ruled("load", 3)),
        ("TypeError", ruled("load", [(1,)])),
        ("TypeError", ruled("settle", 1, 2)),
        ("TypeError", ruled("settle", "x")),
        ("OverflowError", ruled("settle", 1 << 70)),
        ("TypeError", ruled("rules")),
        ("RuleError", ruled("rules", "q")),
        ("TypeError", ruled("rules", "p", "x")),
        ("TypeError", ruled("rules", "p", 0, 3)),
        ("TypeError", ruled("rules", "p", 0, [3])),
        ("TypeError", ruled("has_rule", "p")),
        ("TypeError", ruled("has_rule", "p", 3)),
        ("RuleError", ruled("count", "q")),
        ("TypeError", ruled("count", 3)),
        ("TypeError", ruled("reach", "g")),
        ("TypeError", ruled("reach", "g", 3)),
        ("TypeError", ruled("reach", "g", "a", 3)),
        ("ArithmeticError", ruled("reach", "g", "a", None, Truthless())),
        ("TypeError", ruled("enforce_ex", "a")),
        ("TypeError", ruled("reasons", "a")),
        ("TypeError", ruled("level", 3)),
        ("TypeError", ruled("enforce_each", "a")),
        ("TypeError", ruled("enforce_each", "a", 3)),
        ("TypeError", ruled("enforce_each", 3, [])),
        ("TypeError", ruled("enforce_each", "a", [("b", "c", 3)])),
        ("TypeError", ruled("batch_enforce", 3)),
        ("TypeError", lambda: core.TokenCodec(3)),
        ("TypeError", lambda: core.TokenCodec([3])),
        ("TypeError", lambda: core.TokenCodec([("HS256", None, "text")])),
        ("TypeError", lambda: core.TokenCodec([("EdDSA", None, 3, 3)])),
        ("TypeError", lambda: core.TokenCodec([KEY], leeway="x")),
        ("TypeError", lambda: core.TokenCodec([KEY]).decode(3)),
        ("TypeError", lambda: core.TokenCodec([KEY]).encode(3)),
        ("ValueError", lambda: core.TokenCodec([KEY]).encode({}, lifetime=-1)),
        ("TypeError", lambda: core.bcrypt_hash(b"secret")),
        ("TypeError", lambda: core.bcrypt_verify(b"secret")),
        ("TypeError", lambda: core.bcrypt_parse()),
        ("TypeError", lambda: core.password_hash()),
        ("TypeError", lambda: core.password_verify()),
        ("TypeError", lambda: core.password_parse()),
        ("ValueError", lambda: core.password_hash("none", b"secret", b"0123456789abcdef")),
        ("TypeError", lambda: core.filter_sql([])),
        ("ValueError", lambda: core.filter_sql([], "qmark", '"', "t", "p", -1)),
        ("ValueError", lambda: core.filter_sql([], "qmark", "''", "t", "p", 1)),
        ("TypeError", lambda: core.filter_simplify(3)),
    ]

    return [
        *((call, name) for name, call in refused),
        (disabled, ((True, []), [True], False, True)),
        (collected, None),
        (of_domain, (["admin"], ["al"], [], None)),
        (again, True),
        (lambda: core.bcrypt_hash(b"secret", b"0123456789abcdef", 4, "2y")[:7], "$2y$04$"),
        (lambda: core.bcrypt_hash(b"secret", b"0123456789abcdef", 4, "2a")[:7], "$2a$04$"),
        (lambda: core.bcrypt_hash(b"secret", b"0123456789abcdef", 4, "2b")[:7], "$2b$04$"),
        (custom, (True, (False, []), (True, ["admin", "d", "/a*", "allow"]))),
        (changed, (0, 1, 2, True)),
        (loaded, (False, True, True, [4, 5, 6, 8, 9, 10])),
        (asked, answers),
        (told, facts),
        (lambda: engine().check("g", [("r:2", "u:1")]), "CycleError"),
        (lambda: engine().check("g", [("r:2", "u:1")], [LINKS[1]]), None),
        (lambda: engine().add("p", [("u:1", "page")]), "RuleError"),
        (lambda: engine().add("p", [("a", "b", "c", "d", "maybe")]), "RuleError"),
        (lambda: engine().add("q", [("a", "b")]), "RuleError"),
        (lambda: engine().add("p", 5), "TypeError"),
        (lambda: engine().add("p", "text"), "TypeError"),
        (lambda: engine().enforce("a"), "TypeError"),
        (lambda: engine().enforce("a", "b", 3, "d"), "TypeError"),
        (lambda: engine().enforce("\ud800", "b", "c", "d"), False),
        (lambda: engine().enforce_each("a", [("b", "c")]), "TypeError"),
        (lambda: engine().enforce_each("a", [3]), "TypeError"),
        (lambda: engine().batch_enforce([3]), "TypeError"),
        (lambda: engine().rules("p", 4, ["a", "b"]), "ValueError"),
        (lambda: engine().rules("p", -1), "ValueError"),
        (lambda: engine().reach("p", "a"), "ValueError"),
        (lambda: engine().settle(0), "ValueError"),
        (lambda: engine().load([3]), "TypeError"),
        (lambda: engine().exchange(3), "TypeError"),
        (lambda: core.PolicyEngine().define("[matchers]\nm = nothing(r.sub)\n"), "ModelError"),
        (lambda: core.PolicyEngine().define("nothing"), "ModelError"),
        (token, ([1, 2.5, None, True, {"k": "\u00e9"}], 1060)),
        (large_token, (["a", "b"], 9, [-1.5e300, 10**15, -7, False])),
        (lambda: core.TokenCodec([KEY], max_size=200).encode({"text": "x" * 300}), "ValueError"),
        (lambda: core.TokenCodec([KEY]).encode({"aud": [3]}), "ValueError"),
        (lambda: core.TokenCodec([KEY]).encode({"aud": 3}), "ValueError"),
        (lambda: core.TokenCodec([KEY], required=("sub",)).encode({}), "ValueError"),
        (expired_token, "TokenExpiredError"),
        (forged_token, "TokenSignatureError"),
        (another_audience, "TokenClaimError"),
        (lambda: core.TokenCodec([KEY]).decode("a.b.c"), "TokenFormatError"),
        (of_callables, {"sub": "u"}),
        (lambda: core.TokenCodec([]), "ValueError"),
        (lambda: core.TokenCodec([KEY], max_size=0), "ValueError"),
        (lambda: core.TokenCodec([KEY]).encode({"a": object()}), "TypeError"),
        (lambda: core.filter_simplify(TERMS), SHORT),
        (lambda: core.filter_sql(TERMS[:1], "qmark", '"', "t", "p", 1), ('"t"."a" IN (?, ?)', [0, 1])),
        (lambda: core.filter_sql(TERMS, "qmark", '"', "t", "p", 1), "ValueError"),
        (lambda: core.filter_simplify([("a", "almost", False, ())]), "ValueError"),
        (lambda: core.filter_simplify([3]), "TypeError"),
        (lambda: core.password_parse("$2b$04$" + "." * 53), ("bcrypt", {"rounds": 4}, True)),
        (lambda: core.bcrypt_parse("none"), None),
        (lambda: core.password_verify(b"secret", "$2b$04$" + "." * 53), False),
        (lambda: core.password_verify(b"secret", "none"), "ValueError"),
        (lambda: core.bcrypt_hash(b"secret", b"short", 4), "ValueError"),
    ]
