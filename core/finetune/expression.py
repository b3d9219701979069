"""Maths as models and test sets write it (LaTeX or plain), computed without running any of it.

An expression is read by recursive descent and computed at once: exactly as fractions where that is
cheap, else as complex numbers, with every free letter at a fixed point. Two expressions that agree
at several points are the same (Schwartz-Zippel). Sizes are capped, so nothing takes long.
"""

from __future__ import annotations

import cmath
import math
import random
import re
from collections.abc import Callable
from fractions import Fraction

from core.finetune.exact_values import DIGITS, NotMaths, Value, raised, sized

POINTS = 3
"""How many points free letters are tried at."""
LONGEST, DEEPEST = 1_000, 40

NUMBER = re.compile(r"(?:\d{1,3}(?:,\d{3})+(?![\d,])|\d+)(?:\.\d+|\.(?!\d))?|\.\d+")
POWER_OF_TEN = re.compile(r"[eE]([+-]?\d+)(?![\d.])")
COMMAND = re.compile(r"\\([A-Za-z]+)")
LETTERS = re.compile(r"[A-Za-z]+")
GREEK = re.compile(
    "(?:var)?(?:epsilon|theta|phi)|alpha|beta|gamma|delta|zeta|eta|iota|kappa|lambda|mu|nu|xi|rho|"
    "sigma|tau|upsilon|chi|psi|omega|Gamma|Delta|Theta|Lambda|Xi|Sigma|Phi|Psi|Omega"
)
CONSTANTS: dict[str, Value] = {"pi": math.pi, "e": math.e, "i": 1j}
FUNCTIONS: dict[str, Callable[[complex], complex]] = {
    **{n: getattr(cmath, n) for n in ("sin", "cos", "tan", "sinh", "cosh", "tanh", "exp")},
    **{f"arc{n}": getattr(cmath, f"a{n}") for n in ("sin", "cos", "tan")},
    "cot": lambda x: 1 / cmath.tan(x),
    "sec": lambda x: 1 / cmath.cos(x),
    "csc": lambda x: 1 / cmath.sin(x),
    "ln": cmath.log,
    "log": cmath.log10,
    "sqrt": cmath.sqrt,
}
WORDS = sorted({*FUNCTIONS, *CONSTANTS}, key=len, reverse=True)


def number(text: str) -> Fraction:
    """Return a number literal as a fraction.

    Raises:
        NotMaths: more digits than DIGITS.
    """
    if len(text) > DIGITS:
        raise NotMaths("too many digits")
    return Fraction(text.replace(",", "").rstrip("."))


def compute(text: str) -> tuple[Value, ...]:
    """Return what an expression is worth at each of the POINTS.

    Raises:
        NotMaths: it is no expression, or too large to be computed.
    """
    if len(text) > LONGEST:
        raise NotMaths("too long")
    try:
        return tuple(_Reader(text, point).whole() for point in range(POINTS))
    except (ArithmeticError, ValueError, RecursionError) as e:
        raise NotMaths(str(e)) from e


def equal(a: tuple[Value, ...], b: tuple[Value, ...]) -> bool:
    """Return whether two expressions agree at every point: fractions exactly, others to 1e-9."""
    return all(
        x == y
        if isinstance(x, Fraction) and isinstance(y, Fraction)
        else cmath.isclose(complex(x), complex(y), rel_tol=1e-9, abs_tol=1e-12)
        for x, y in zip(a, b, strict=True)
    )


class _Reader:
    """One pass over an expression, with the letters at one point."""

    def __init__(self, text: str, point: int) -> None:
        self.text, self.at, self.point, self.depth = text, 0, point, 0

    def whole(self) -> Value:
        value = self.sum()
        if self.peek():
            raise NotMaths(f"{self.text[self.at :]!r} is left")
        return value

    def peek(self) -> str:
        while self.text[self.at : self.at + 1].isspace():
            self.at += 1
        return self.text[self.at : self.at + 1]

    def take(self, what: str) -> bool:
        self.peek()
        there = self.text.startswith(what, self.at)
        self.at += len(what) * there
        return there

    def need(self, what: str) -> None:
        if not self.take(what):
            raise NotMaths(f"{what!r} is missing")

    def sum(self) -> Value:
        self.depth += 1
        if self.depth > DEEPEST:
            raise NotMaths("too deep")
        value = self.product()
        while sign := self.peek():
            if sign not in "+-":
                break
            self.at += 1
            more = self.product()
            value = sized(value + more if sign == "+" else value - more)
        self.depth -= 1
        return value

    def product(self) -> Value:
        value = self.signed()
        while following := self.peek():
            if following in "*/":
                self.at += 1
                more = self.signed()
                value = sized(value * more if following == "*" else value / more)
            elif following.isalnum() or (following in "({\\.|∞" and not self.closing()):
                value = sized(value * self.power())  # 2x, 3(a + b)
            else:
                break
        return value

    def closing(self) -> bool:
        """Return whether a bar that comes here ends an absolute value instead of beginning one."""
        return self.peek() == "|" and getattr(self, "bars", 0) > 0

    def signed(self) -> Value:
        sign = self.peek()
        if sign and sign in "+-":
            self.at += 1
            self.depth += 1
            if self.depth > DEEPEST:
                raise NotMaths("too deep")
            value = self.signed()
            self.depth -= 1
            return -value if sign == "-" else value
        return self.power()

    def power(self) -> Value:
        base = self.atom()
        while self.take("!"):
            if not isinstance(base, Fraction) or base.denominator > 1 or not 0 <= base <= 170:
                raise NotMaths("no factorial")
            base = Fraction(math.factorial(int(base)))
        if self.take("^"):
            self.depth += 1
            if self.depth > DEEPEST:
                raise NotMaths("too deep")
            base = raised(base, self.exponent())
            self.depth -= 1
        return base

    def exponent(self) -> Value:
        if self.peek() in ("{", "\\") or self.peek().isalpha():
            return self.argument()
        return self.signed()

    def argument(self) -> Value:
        r"""Read what stands in braces, or the one digit, letter or command: `\frac12`."""
        following = self.peek()
        if following == "{":
            self.at += 1
            value = self.sum()
            self.need("}")
            return value
        if following.isdigit():
            self.at += 1
            return Fraction(int(following))
        if following.isalpha():
            self.at += 1
            return self.letter(following)
        return self.atom()

    def atom(self) -> Value:
        following = self.peek()
        if literal := NUMBER.match(self.text, self.at):
            return self.literal(literal)
        for opening, closing in ("()", "{}", "[]"):
            if following == opening:
                self.at += 1
                value = self.sum()
                self.need(closing)
                return value
        if following == "|":
            self.at += 1
            self.bars = getattr(self, "bars", 0) + 1
            value = self.sum()
            self.bars -= 1
            self.need("|")
            return abs(value) if isinstance(value, Fraction) else complex(abs(value))
        if following == "∞":
            self.at += 1
            return self.letter("∞")
        if command := COMMAND.match(self.text, self.at):
            self.at = command.end()
            return self.command(command[1])
        if letters := LETTERS.match(self.text, self.at):
            return self.letters(letters[0])
        raise NotMaths(f"{following!r} is not understood")

    def literal(self, literal: re.Match[str]) -> Value:
        self.at = literal.end()
        value = number(literal[0])
        if power := POWER_OF_TEN.match(self.text, self.at):
            if abs(int(power[1][:6])) > DIGITS:
                raise NotMaths("too large")
            self.at = power.end()
            return value * Fraction(10) ** int(power[1])
        return value

    def letters(self, run: str) -> Value:
        word = next((w for w in WORDS if len(w) > 1 and run.startswith(w)), "")
        if word:
            self.at += len(word)
            return self.command(word)
        if len(run) > 3:
            raise NotMaths(f"{run!r} is a word")
        self.at += 1
        return self.letter(run[0])

    def letter(self, name: str) -> Value:
        if self.take("_"):
            start = self.at
            self.argument()
            name += self.text[start : self.at].strip("{} ")
        if name in CONSTANTS:
            return CONSTANTS[name]
        size = random.Random(f"{name} {self.point}").uniform(1.1, 2.3)
        return -size if self.point == POINTS - 1 else size  # so that |x| is not x

    def command(self, name: str) -> Value:
        if name == "frac":
            above = self.argument()
            return sized(above / self.argument())
        if name == "sqrt":
            root: Value = Fraction(2)
            if self.take("["):
                root = self.sum()
                self.need("]")
            return raised(self.argument(), 1 / root)
        if name == "binom":
            n, k = self.argument(), self.argument()
            if not all(isinstance(v, Fraction) and 0 <= v <= 200 for v in (n, k)):
                raise NotMaths("no binomial")
            return Fraction(math.comb(int(n.real), int(k.real)))
        if name in FUNCTIONS:
            return self.applied(name)
        if name in CONSTANTS:
            return CONSTANTS[name]
        if GREEK.fullmatch(name):
            return self.letter(name)
        raise NotMaths(f"{name!r} is not understood")

    def applied(self, name: str) -> Value:
        base = self.argument() if name == "log" and self.take("_") else None
        exponent = self.exponent() if self.take("^") else None
        value = self.power()
        while self.more_of_argument():
            value = sized(value * self.power())
        out = complex(FUNCTIONS[name](complex(value)))
        if base is not None:
            out = cmath.log(complex(value)) / cmath.log(complex(base))
        return out if exponent is None else raised(out, exponent)

    def more_of_argument(self) -> bool:
        r"""Return whether a factor of an argument without brackets comes: sin 2x, \cos 2\pi."""
        if self.peek().isdigit():
            return True
        name = COMMAND.match(self.text, self.at) or LETTERS.match(self.text, self.at)
        word = name[0].lstrip("\\") if name else ""
        return bool(word) and word not in FUNCTIONS and word != "frac"
