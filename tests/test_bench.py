"""What the benchmarks make of their figures, and that each of them measures."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from bench.plot import svg
from bench.report import Note, Row, Series, duration, number, status, timings, told, worker

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PARTS = ("enforce", "tokens", "passwords", "filters", "http", "growth")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "ignore", "-m", *arguments]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)


def first_cells(output: str) -> list[str]:
    """The first column of the tables, without heads; the number of rules is another one in a quick run."""
    cells = [line.split(" | ")[0][2:] for line in output.splitlines() if line.startswith("| ")]
    return [re.sub(r"[\d,]+ rules", "N rules", cell) for cell in cells if cell not in ("---", "what")]


@pytest.mark.parametrize("part", PARTS)
def test_each_part_measures_alone(part: str) -> None:
    """It comes to its end, whatever this machine makes of the figures, and the README has its rows."""
    done = run(f"tests.bench.{part}", "--quick")
    assert done.returncode in (0, 1) and "Traceback" not in done.stderr, done.stderr
    assert (done.returncode == 1) is ("* missed:" in done.stdout), done.stdout
    cells = first_cells(done.stdout)
    assert len(cells) >= 4, done.stdout
    told_there = re.sub(r"[\d,]+ rules", "N rules", README.partition("## Speed")[2])
    assert not [cell for cell in cells if f"| {cell}" not in told_there], cells


def test_several_parts_in_one_run(tmp_path: Path) -> None:
    plot, markdown = tmp_path / "new" / "bench.svg", tmp_path / "bench.md"
    done = run("tests.bench", "--quick", "--only", "growth,tokens", "--plot", str(plot), "--markdown", str(markdown))
    assert done.returncode in (0, 1), done.stderr
    cells = first_cells(done.stdout)
    assert cells[0].startswith("HS256 decode") and cells[-1] == "tree of the pages of a site"
    assert not any("casbin 1" in cell or "passw" in cell for cell in cells)
    assert done.stdout == markdown.read_text(encoding="utf-8")
    assert ("left out: tokens against python-jose" in done.stdout) is (importlib.util.find_spec("jose") is None)
    drawn = ElementTree.parse(plot).getroot()
    titles = [each.text for each in drawn.iter() if (each.text or "").startswith("time by")]
    assert titles == ["time by rules", "time by roles of a user", "time by depth of roles", "time by pages"]


def test_a_part_that_is_none() -> None:
    done = run("tests.bench", "--only", "tokens,tokns")
    assert done.returncode == 2 and "no part tokns; there are enforce" in done.stderr


def test_an_original_that_does_not_run(tmp_path: Path) -> None:
    done = run("tests.bench.filters", "--quick", "--original", sys.executable)
    assert "left out: row permissions against the original: " in done.stdout, done.stderr
    assert "| filter of one request, 7 row permissions |" in done.stdout
    with pytest.raises(RuntimeError, match="no/python"):
        worker(str(tmp_path / "no" / "python"), tmp_path / "none.py")


@pytest.mark.parametrize(
    "values, bar, at_least, met",
    [
        ([0.2, 0.6, 9.0], 0.6, False, True),  # the median counts, and a bar is kept by what equals it
        ([0.61], 0.6, False, False),
        ([0.6, 0.61], 0.6, False, False),
        ([40.0], 40, True, True),
        ([39.9, 39.9, 80.0], 40, True, False),
        ([5.0], None, False, None),
    ],
)
def test_a_bar(values: list[float], bar: float | None, at_least: bool, met: bool | None) -> None:
    row = Row("what", values, "ms", bar, at_least)
    assert row.met is met
    assert status([Note("none"), row]) == (met is False)
    lines: list[str] = []
    assert told([row, Note("why"), Note("why")], lines.append)[0] is row
    assert lines[-2 if met is False else -1] == "* left out: why" and lines.count("* left out: why") == 1
    assert (lines[-1].startswith("* missed: what: ")) is (met is False)
    assert row.cells()[4] == {None: "", True: "yes", False: "**no**"}[met]


def test_numbers_as_they_are_told() -> None:
    assert [number(value) for value in (0.4567, 12.345, 123.4, 1234567.0)] == ["0.457", "12.3", "123", "1,234,567"]
    assert [duration(s) for s in (2.5, 0.0471, 3.2e-6, 37e-9)] == ["2.5 s", "47.1 ms", "3.2 µs", "37 ns"]


def test_how_a_cost_grows() -> None:
    slopes = [Series("n", "n", [(n, n**power) for n in (1, 10, 100)]).slope for power in (0, 1, 2)]
    assert slopes == pytest.approx([0, 1, 2])
    assert Series("n", "n", [(10, 1.0)]).slope is None


def test_timings_are_those_of_the_calls() -> None:
    calls = {"short": 0, "long": 0}

    def short() -> int:
        calls["short"] += 1
        return sum(range(200))

    def long() -> int:
        calls["long"] += 1
        return sum(range(400_000))

    one, other = timings([short, long], runs=3, turns=4)
    assert len(one) == len(other) == 3
    assert calls["long"] == 2 + 3 * 4 and calls["short"] > 20 * calls["long"]  # as long, not as often
    assert all(a * 200 < b for a, b in zip(one, other, strict=True))
    (nothing,) = timings([lambda: None], runs=1, turns=4, idle=True)
    assert nothing[0] < one[0]


def test_a_drawing() -> None:
    drawn = ElementTree.fromstring(
        svg([Series("<n>", "`a` & b", [(1, 1e-9), (1000, 1e-3)]), Series("m", "c", [(5, 1)])], "x")
    )
    texts = [each.text for each in drawn.iter() if each.text and each.text.strip()]
    assert {"time by <n>", "time by m", "— a & b", "1 ns", "1,000", "x"} <= set(texts)
    box = [float(value) for value in drawn.attrib["viewBox"].split()]
    circles = [each for each in drawn.iter() if each.tag.endswith("circle")]
    assert len(circles) == 3
    assert all(0 < float(each.attrib[axis]) < box[2 + i] for each in circles for i, axis in enumerate(("cx", "cy")))
    assert float(circles[0].attrib["cy"]) > float(circles[1].attrib["cy"])  # more is higher
    with pytest.raises(ValueError, match="no series"):
        svg([], "x")
