"""Planted redundancy: does s2l cover more known skills than random draws do?

The design, written before the first run:

Pool. 60 skills, each a question/answer template with slots for numbers, words and names; answers
are terse or a short sentence. A seeded draw makes 12 of them common and 48 rare, so that no kind of
answer is common by construction. A rare skill has 8 rows, filled independently. A common one has 5
such originals and 49 near copies of each: same filling but for one slot (a number moved by at
most 3, a word or name drawn anew). Every row, rare or common, is put in one of 40 carrier phrases
("Quick: ... Be brief."). 12 x 5 x 50 + 48 x 8 = 3,384 distinct rows, 11.3% of them rare. The
dataset has no source column, and its ids are shuffled numbers: nothing but the text tells the
skill, which is kept aside by id.

Method. core's defaults: scratch:tiny, 6 epochs, 13 recordings, k-means on t > 0. Cells: features
raw and centred, K auto (37) and 100. Budgets 5% (169 rows) and 11% (372 rows): random is expected
to cover 12 + 48 (1 - 0.95^8) = 28 and 41 skills of 60; both budgets could cover all 60.

Measure. Skills with at least 1 row (primary) and at least 3 rows, normalised entropy of the
skills, rows of rare skills. s2l: 5 draw seeds on one proxy and clustering. Random: 99 draws.
p = (1 + number of random draws at least as good as s2l's mean) / 100: ties count against s2l.

Pass. On every pool, at both budgets, s2l as it comes (raw, K auto) covers more skills on the mean
of its draws than the best of the 99 random draws does. Everything else is exploratory.

Controls. The same water-fill over shuffled cluster labels must look like random. The selectors by
one loss score show what a plain score would have covered. Added after the first run, to see where
the gain comes from: the water-fill over groups of equal response length, which needs no proxy, and
over k-means of the final loss alone.

Run: python benchmarks/planted_skills.py [--pools 1] [--first 0] [--epochs 6]
The table goes to stderr; the last line of stdout is one JSON object; exit 1 if s2l does not pass.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import os
import pathlib
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")  # models this small run slower on more threads
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import numpy as np
import numpy.typing as npt

from core import clusters, dataset, selection, trajectories
from core.clusters import kmeans
from core.selection import choose
from core.selection import pool as selectors
from core.selection.budget import parse
from core.training.settings import FROM_SCRATCH
from core.workspace.store import Workspace

BUDGETS = ("5%", "11%")
CELLS: tuple[tuple[str, int | Literal["auto"]], ...] = (
    ("raw", "auto"),
    ("raw", 100),
    ("centred", "auto"),
    ("centred", 100),
)
PRIMARY = "s2l raw auto"
DRAWS = 5
RANDOM_DRAWS = 99
SCORES = ("least_confidence", "high_learnability", "middle_perplexity", "low_final_loss")
MEASURES = ("covered", "covered_3", "entropy", "rare_rows")

WORDS = """
    apple bridge candle desert engine forest garden hammer island jacket kettle ladder mirror
    needle orange pencil quarry rabbit saddle tunnel umbrella violin window yogurt zipper anchor
    basket copper dragon feather guitar helmet"""
NAMES = """
    Ada Ben Cleo Dan Eva Finn Gina Hugo Iris Jon Kira Leo Mia Noah Olga Paul Rosa Sam Tina Uwe
    Vera Will Xena Yuri"""
OPENERS = ("", "Please: ", "Quick: ", "Tell me. ", "Hi. ", "Exercise: ", "One more: ", "Help! ")
CLOSERS = ("", " Thanks!", " Be brief.", " (for school)", " I need it now.")


class Slots(NamedTuple):
    """What a template is filled with."""

    a: int
    b: int
    c: int
    w: str
    v: str
    n: str


Skill = Callable[[Slots], tuple[str, str]]

SKILLS: dict[str, Skill] = {
    "add": lambda s: (f"What is {s.a} plus {s.c}?", f"{s.a + s.c}"),
    "subtract": lambda s: (f"Take {s.b} away from {s.a}.", f"{s.a} - {s.b} = {s.a - s.b}"),
    "multiply": lambda s: (f"Multiply {s.a} by {s.b}.", f"The product is {s.a * s.b}."),
    "remainder": lambda s: (f"What remains of {s.a} divided by {s.b}?", f"{s.a % s.b}"),
    "parity": lambda s: (f"Is {s.a} odd or even?", "odd" if s.a % 2 else "even"),
    "larger": lambda s: (f"Which is larger, {s.a} or {s.c}?", f"The larger is {max(s.a, s.c)}."),
    "sort": lambda s: (
        f"Sort {s.a}, {s.b} and {s.c}.",
        " < ".join(map(str, sorted((s.a, s.b, s.c)))),
    ),
    "double": lambda s: (f"Double {s.a}.", f"Twice {s.a} makes {2 * s.a}."),
    "halve": lambda s: (f"Halve {s.a}, rounded down.", f"{s.a // 2}"),
    "square": lambda s: (f"What is {s.a} squared?", f"{s.a}^2 = {s.a**2}"),
    "minutes": lambda s: (
        f"How many minutes are {s.b} hours and {s.a} minutes?",
        f"It is {60 * s.b + s.a} minutes.",
    ),
    "price": lambda s: (
        f"A pen costs {s.a} cents. What do {s.b} pens cost?",
        f"${s.a * s.b / 100:.2f}",
    ),
    "percent": lambda s: (f"What is {s.b}0 percent of {s.a}?", f"{s.a * s.b / 10:g}"),
    "area": lambda s: (f"Area of a field of {s.a} m by {s.b} m?", f"{s.a * s.b} square metres"),
    "perimeter": lambda s: (
        f"How long is the fence round {s.a} m by {s.b} m?",
        f"The fence is {2 * (s.a + s.b)} m long.",
    ),
    "average": lambda s: (f"Average of {s.a} and {s.c}?", f"mean: {(s.a + s.c) / 2:g}"),
    "sequence": lambda s: (
        f"Continue: {s.a}, {s.a + s.b}, {s.a + 2 * s.b},",
        f"{s.a + 3 * s.b}, {s.a + 4 * s.b}",
    ),
    "count": lambda s: (
        f"Count on from {s.a}.",
        " ".join(str(s.a + i) for i in range(1, 5)) + " ...",
    ),
    "age": lambda s: (
        f"{s.n} is {s.a}. How old in {s.b} years?",
        f"{s.n} will be {s.a + s.b} years old.",
    ),
    "digits": lambda s: (f"Add the digits of {s.a}.", f"{s.a // 10 + s.a % 10}"),
    "binary": lambda s: (f"Write {s.a} in binary.", f"0b{s.a:b}"),
    "hexadecimal": lambda s: (f"Write {s.a} in hexadecimal.", f"0x{s.a:X}"),
    "more": lambda s: (f"Is {s.a} more than {s.c}?", "yes" if s.a > s.c else "no"),
    "distance": lambda s: (
        f"{s.n} walks {s.b} km a day. How far in {s.a} days?",
        f"{s.n} walks {s.a * s.b} km in all.",
    ),
    "speed": lambda s: (
        f"A train does {s.a * s.b} km in {s.b} hours. How fast?",
        f"{s.a} km/h",
    ),
    "change": lambda s: (
        f"{s.n} pays 100 and owes {s.a}. What comes back?",
        f"{s.n} gets {100 - s.a} back.",
    ),
    "fahrenheit": lambda s: (f"{s.a} degrees Celsius in Fahrenheit?", f"{s.a * 1.8 + 32:.1f} F"),
    "round": lambda s: (f"Round {s.a} to tens.", f"about {(s.a + 5) // 10 * 10}"),
    "divides": lambda s: (
        f"Does {s.b} divide {s.a}?",
        f"{s.b} divides it." if s.a % s.b == 0 else f"{s.b} does not divide it.",
    ),
    "clock": lambda s: (f"Now {s.b}:{s.a % 60:02d}. In an hour?", f"{s.b + 1}:{s.a % 60:02d}"),
    "reverse": lambda s: (f"Spell {s.w} backwards.", s.w[::-1]),
    "capitals": lambda s: (f"Shout {s.w}.", s.w.upper() + "!"),
    "letters": lambda s: (f"How many letters has {s.w}?", f"It has {len(s.w)} letters."),
    "first": lambda s: (f"First letter of {s.w}?", s.w[0]),
    "last": lambda s: (f"How does {s.w} end?", f"It ends in {s.w[-1]}."),
    "plural": lambda s: (f"Plural of {s.w}?", f"many {s.w}s"),
    "repeat": lambda s: (f"Say {s.w} three times.", f"{s.w}, {s.w}, {s.w}"),
    "vowels": lambda s: (f"Vowels in {s.w}?", "".join(x for x in s.w if x in "aeiou")),
    "alphabet": lambda s: (
        f"Which comes first, {s.w} or {s.v}?",
        f"{min(s.w, s.v)} comes before {max(s.w, s.v)}",
    ),
    "quote": lambda s: (f"Put {s.w} in quotation marks.", f'"{s.w}"'),
    "spell": lambda s: (f"Spell {s.w}.", "-".join(s.w)),
    "join": lambda s: (f"Join {s.w} and {s.v}.", s.w + s.v),
    "json": lambda s: (f"JSON of {s.n}, {s.a}.", f'{{"name": "{s.n}", "age": {s.a}}}'),
    "csv": lambda s: (f"CSV line of {s.w}, {s.a}, {s.b}.", f"{s.w};{s.a};{s.b}"),
    "sql": lambda s: (
        f"SQL for each {s.w} above {s.a}.",
        f"SELECT * FROM {s.w} WHERE price > {s.a};",
    ),
    "print": lambda s: (f"Python that prints {s.w}.", f"print('{s.w}')"),
    "loop": lambda s: (f"Python loop of {s.a} rounds.", f"for i in range({s.a}): pass"),
    "html": lambda s: (f"Make {s.w} bold in HTML.", f"<b>{s.w}</b>"),
    "email": lambda s: (f"Address of {s.n} at {s.w}.", f"{s.n.lower()}@{s.w}.com"),
    "greet": lambda s: (
        f"Greet {s.n}, who has a {s.w}.",
        f"Hello {s.n}, nice {s.w} you have there!",
    ),
    "apologise": lambda s: (
        f"Say sorry to {s.n} about the {s.w}.",
        f"Dear {s.n}, I am sorry that I lost your {s.w}.",
    ),
    "thank": lambda s: (f"Thank {s.n} for the {s.w}.", f"Many thanks for the {s.w}, {s.n}!"),
    "refuse": lambda s: (f"Give me the password of {s.n}'s {s.w}.", "I cannot help with that."),
    "poem": lambda s: (f"A line of poetry on a {s.w}.", f"O {s.w}, sleep under the moon"),
    "bullets": lambda s: (f"List {s.w} and {s.v}.", f"- {s.w}\n- {s.v}"),
    "feeling": lambda s: (
        f"{s.n} {'loved' if s.a % 2 else 'hated'} the {s.w}. What feeling is it?",
        "positive" if s.a % 2 else "negative",
    ),
    "person": lambda s: (f"Who is it: the {s.w} of {s.n}.", f"PERSON={s.n}"),
    "initials": lambda s: (f"Initials of {s.n} {s.w.title()}?", f"{s.n[0]}. {s.w[0].upper()}."),
    "statement": lambda s: (
        f"Answer yes in full: is the {s.w} near the {s.v}?",
        f"Yes, the {s.w} is near the {s.v}.",
    ),
    "negate": lambda s: (f"Negate: {s.n} has a {s.w}.", f"{s.n} does not have a {s.w}."),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """The size of a planted pool."""

    skills: int = 60
    common: int = 12
    originals: int = 5
    copies: int = 50
    """Rows of each original, itself included."""
    rare: int = 8


class Planted(NamedTuple):
    """A pool and what is known of it."""

    rows: list[dict[str, str]]
    """id, question, answer; in order of id."""
    skill: dict[str, str]
    """id -> skill."""
    common: frozenset[str]


def plant(plan: Plan, seed: int) -> Planted:
    """Generate a pool; the same one in every process."""
    rng = np.random.default_rng(seed)
    names = [str(s) for s in rng.permutation(list(SKILLS))[: plan.skills]]
    common = frozenset(names[: plan.common])
    seen: set[str] = set()
    found: list[tuple[str, str, str]] = []

    def add(name: str, draw: Callable[[], Slots]) -> Slots:
        for _ in range(10_000):
            slots = draw()
            question, answer = SKILLS[name](slots)
            question = f"{rng.choice(OPENERS)}{question}{rng.choice(CLOSERS)}"
            if question not in seen:
                seen.add(question)
                found.append((name, question, answer))
                return slots
        raise ValueError(f"{name} has too few distinct questions")

    for name in names:
        for _ in range(plan.originals if name in common else plan.rare):
            original = add(name, lambda: fill(rng))
            for _ in range(plan.copies - 1 if name in common else 0):
                add(name, functools.partial(_near, original, rng))
    order = rng.permutation(len(found))
    rows = [
        {"id": f"{i:05d}", "question": found[at][1], "answer": found[at][2]}
        for i, at in enumerate(order)
    ]
    skill = {f"{i:05d}": found[at][0] for i, at in enumerate(order)}
    return Planted(rows, skill, common)


def fill(rng: np.random.Generator) -> Slots:
    """Draw what a template is filled with."""
    w, v = rng.choice(WORDS.split(), 2, replace=False)
    a, c = rng.integers(10, 100, 2)
    return Slots(
        int(a), int(rng.integers(2, 10)), int(c), str(w), str(v), str(rng.choice(NAMES.split()))
    )


def _near(slots: Slots, rng: np.random.Generator) -> Slots:
    """Change one slot: a number by at most 3, a word or name to another."""
    field = Slots._fields[rng.integers(len(Slots._fields))]
    if field in "wvn":
        return slots._replace(**{field: getattr(fill(rng), field)})
    low, high = (2, 9) if field == "b" else (10, 99)
    moved = getattr(slots, field) + int(rng.integers(-3, 4))
    return slots._replace(**{field: min(max(moved, low), high)})


class Measured(NamedTuple):
    """What a selection covers."""

    covered: int
    covered_3: int
    entropy: float
    """Of the skills, 1 when all are equally common."""
    rare_rows: int


def measure(skills: npt.NDArray[np.str_], planted: Planted) -> Measured:
    """Count the skills among selected rows."""
    names, counts = np.unique(skills, return_counts=True)
    share = counts / counts.sum()
    n_skills = len(set(planted.skill.values()))
    return Measured(
        covered=len(names),
        covered_3=int((counts >= 3).sum()),
        entropy=float(-(share * np.log(share)).sum() / np.log(n_skills)),
        rare_rows=int(counts[~np.isin(names, list(planted.common))].sum()),
    )


def record(workspace: Workspace, planted: Planted, epochs: float) -> str:
    """Import the pool and train the proxy on it; return the trajectories' id."""
    path = workspace.root / "planted.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in planted.rows), encoding="utf-8")
    data = dataset.run(
        workspace,
        dataset.Settings(
            path=str(path),
            prompt_column="question",
            response_column="answer",
            id_column="id",
            holdout="0",
        ),
    )
    settings = trajectories.Settings(dataset=data, model="scratch:tiny", epochs=epochs, map=False)
    return trajectories.run(workspace, settings)


def cluster(
    workspace: Workspace, recorded: str, features: str = "raw", k: int | Literal["auto"] = "auto"
) -> selectors.Pool:
    """Cluster the trajectories and return the pool that selectors draw from."""
    settings = clusters.Settings(trajectories=recorded, features=features, k=k, map=False)
    grouped = workspace.open(clusters.run(workspace, settings))
    pool = selection.load_pool(grouped, "s2l")
    if set(pool.sources) != {"all"}:
        raise AssertionError("the source tells something")
    return pool


def draw(
    pool: selectors.Pool, planted: Planted, strategy: str, budget: str, seeds: range
) -> list[Measured]:
    """Measure one draw a seed."""
    out = []
    for seed in seeds:
        choice = choose.choose(pool, strategy, parse(budget), seed)
        skills = np.array([planted.skill[i] for i in pool.ids[choice.positions]])
        out.append(measure(skills, planted))
    return out


def run_pool(plan: Plan, seed: int, epochs: float) -> dict[str, Any]:
    """Run the whole design on one pool; return its report."""
    began = time.monotonic()
    planted = plant(plan, seed)
    found: dict[str, dict[str, list[Measured]]] = {b: {} for b in BUDGETS}
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(folder)
        recorded = record(workspace, planted, epochs)
        pools = {f"s2l {f} {k}": cluster(workspace, recorded, f, k) for f, k in CELLS}
    first = pools[PRIMARY]
    mixed = np.random.default_rng(seed).permutation(first.labels)
    pools["s2l labels shuffled"] = dataclasses.replace(first, labels=mixed)
    lengths = np.unique(first.tokens, return_inverse=True)[1].astype(np.int32)
    pools["s2l on length"] = dataclasses.replace(first, labels=lengths)
    final = kmeans.cluster(first.losses[:, -1:], first.ids, first.k).labels
    pools["s2l on final loss"] = dataclasses.replace(first, labels=final)
    for budget in BUDGETS:
        found[budget]["random"] = draw(first, planted, "random", budget, range(RANDOM_DRAWS))
        for name, pool in pools.items():
            found[budget][name] = draw(pool, planted, "s2l", budget, range(DRAWS))
        for name in SCORES:
            found[budget][name] = draw(first, planted, name, budget, range(1))
    table = {
        b: {name: summarise(rows, found[b]["random"]) for name, rows in found[b].items()}
        for b in BUDGETS
    }
    return {
        "pool_seed": seed,
        "rows": len(planted.rows),
        "rare_rows": sum(s not in planted.common for s in planted.skill.values()),
        "skills": plan.skills,
        "common": sorted(planted.common),
        "explained": {name: explain(pool, planted) for name, pool in pools.items()},
        "final_loss": final_loss(first, planted),
        "table": table,
        "passed": all(
            table[b][PRIMARY]["covered"]["mean"] > table[b]["random"]["covered"]["max"]
            for b in BUDGETS
        ),
        "seconds": round(time.monotonic() - began, 1),
    }


def summarise(rows: list[Measured], random: list[Measured]) -> dict[str, dict[str, float]]:
    """Return mean, range and p against the random draws, a measure."""
    out = {}
    for name in MEASURES:
        values = np.array([getattr(r, name) for r in rows], float)
        mean = float(values.mean())
        better = sum(getattr(r, name) >= mean for r in random)
        out[name] = {
            "mean": round(mean, 3),
            "min": round(float(values.min()), 3),
            "max": round(float(values.max()), 3),
            "p": (1 + better) / (len(random) + 1),
        }
    return out


def explain(pool: selectors.Pool, planted: Planted) -> dict[str, float]:
    """Return K, and the adjusted mutual information of the clusters with what could make them."""
    from sklearn.metrics import adjusted_mutual_info_score as ami

    skills = [planted.skill[i] for i in pool.ids]
    return {
        "clusters": int(pool.labels.max()) + 1,
        "skill": round(float(ami(skills, pool.labels)), 3),
        "common": round(float(ami([s in planted.common for s in skills], pool.labels)), 3),
        "response_tokens": round(float(ami(pool.tokens, pool.labels)), 3),
    }


def final_loss(pool: selectors.Pool, planted: Planted) -> dict[str, float]:
    """Return the median final loss of common and rare rows, nats per response token."""
    common = np.array([planted.skill[i] in planted.common for i in pool.ids])
    final = pool.losses[:, -1]
    return {
        "common": round(float(np.median(final[common])), 3),
        "rare": round(float(np.median(final[~common])), 3),
    }


def show(report: dict[str, Any]) -> None:
    """Write a pool's table for a person."""
    out = [
        f"\npool {report['pool_seed']}: {report['rows']:,} rows, {report['rare_rows']:,} of rare "
        f"skills, {report['skills']} skills; median final loss {report['final_loss']}",
        f"{'budget':>6}  {'selection':<22}{'skills >= 1 row':>22}{'p':>6}{'>= 3 rows':>20}{'p':>6}"
        f"{'entropy':>9}{'rare rows':>11}",
    ]
    for budget, selections in report["table"].items():
        for name, row in selections.items():
            one, three = row["covered"], row["covered_3"]
            out.append(
                f"{budget:>6}  {name:<22}"
                f"{one['mean']:>10.1f} ({one['min']:.0f} to {one['max']:.0f}){one['p']:>7.2f}"
                f"{three['mean']:>10.1f} ({three['min']:.0f} to {three['max']:.0f})"
                f"{three['p']:>7.2f}{row['entropy']['mean']:>9.3f}{row['rare_rows']['mean']:>11.1f}"
            )
    out.append("adjusted mutual information of the clusters with:")
    for name, facts in report["explained"].items():
        out.append(f"  {name:<22} {facts}")
    out.append(f"{'passed' if report['passed'] else 'NOT passed'}, {report['seconds']} s")
    sys.stderr.write("\n".join(out) + "\n")


def main() -> int:
    """Run the design on some pools; 0 if s2l beats every random draw on all of them."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("--pools", type=int, default=1, help="number of pools, 1.5 minutes each")
    parser.add_argument("--first", type=int, default=0, help="seed of the first pool")
    epochs = FROM_SCRATCH["epochs"]
    parser.add_argument("--epochs", type=float, default=epochs, help="of the proxy")
    asked = parser.parse_args()
    reports = []
    for seed in range(asked.first, asked.first + asked.pools):
        reports.append(run_pool(Plan(), seed, asked.epochs))
        show(reports[-1])
    passed = all(r["passed"] for r in reports)
    print(json.dumps({"benchmark": "planted_skills", "passed": passed, "pools": reports}))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
