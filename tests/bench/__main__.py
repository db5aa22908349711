"""All benchmarks in one run: a table of every figure with its bar, one of how costs grow, and a drawing of that.

    python -m tests.bench [--quick] [--only enforce,tokens] [--original PYTHON] [--plot FILE] [--markdown FILE]

``--original`` names an interpreter that has the original on releases that it runs on (see ``http.py``); rivals that are
not installed are left out, which the notes at the end say.  Each figure is the median of its runs, with the lowest and
the highest beside it; in each run ours and the rival take turns.  Ends with status 1 when a bar is missed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from .plot import svg
from .report import Options, Result, Series, machine, parser_of, status, told

PARTS = ("enforce", "tokens", "passwords", "filters", "http", "growth")


def main() -> int:
    parser = parser_of(__doc__)
    parser.add_argument("--only", metavar="PARTS", default=",".join(PARTS), help=f"some of {', '.join(PARTS)}")
    parser.add_argument(
        "--plot", metavar="FILE", type=Path, default=Path("build/bench.svg"), help="default: %(default)s"
    )
    parser.add_argument("--markdown", metavar="FILE", type=Path, help="write the tables there as well")
    given = parser.parse_args()
    chosen = given.only.split(",")
    if unknown := [name for name in chosen if name not in PARTS]:
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    options = Options(given.quick, given.original)
    written: list[str] = []

    def emit(text: str) -> None:
        written.append(text)
        print(text, flush=True)

    def results() -> Iterator[Result]:
        for name in PARTS:
            if name in chosen:
                yield from import_module(f".{name}", __package__).rows(options)

    about = machine(options)
    emit("  \n".join(about) + "\n")
    found = told(results(), emit)
    series = [result for result in found if isinstance(result, Series)]
    if series:
        given.plot.parent.mkdir(parents=True, exist_ok=True)
        given.plot.write_text(svg(series, about[0]), encoding="utf-8")
        emit(f"* drawn: {given.plot}")
    if given.markdown:
        given.markdown.write_text("\n".join(written) + "\n", encoding="utf-8")
    return status(found)


if __name__ == "__main__":
    sys.exit(main())
