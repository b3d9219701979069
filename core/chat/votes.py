"""Blind votes: which of two answers is better, by people who do not know whose they are.

Each vote is on the disk as it is given. The tally is sealed when the names are shown: a vote given
after that would not be blind.
"""

from __future__ import annotations

import math
import threading
from typing import Any, Literal, NamedTuple, TypedDict

from core.chat.settings import Sampling
from core.chat.speakers import Speaker, of, title
from core.dataset.privacy import HIDDEN, is_private
from core.errors import InputError
from core.settings import to_config
from core.workspace.artifact import Artifact, utc_now
from core.workspace.draft import Draft
from core.workspace.files import append_jsonl, fingerprint, read_jsonl
from core.workspace.roles import editors
from core.workspace.store import Workspace

FILE = "votes.jsonl"
Choice = Literal["first", "second", "tie"]
_ONE = threading.Lock()
"""Two votes of one server are written one after the other."""


class WinRate(NamedTuple):
    """How often one of two was found better."""

    votes: int
    wins: int
    losses: int
    ties: int
    rate: float
    """Of the votes that were no tie; NaN where all were."""
    low: float
    high: float
    """The exact 95% interval of the rate (Clopper and Pearson 1934)."""
    p: float
    """Two-sided sign test that both are as good; 1 without a vote that was no tie."""


class VoteSummary(TypedDict):
    """Of a sealed tally."""

    votes: int
    wins: int
    losses: int
    ties: int
    rate: float | None
    low: float | None
    high: float | None
    p: float
    first_won: int
    """Votes for the answer that stood first, whosever it was: near half where place played no
    part."""
    model: str
    other: str
    """The names that people were not shown."""


def win_rate(wins: int, losses: int, ties: int = 0) -> WinRate:
    """Return how often one was better than the other, of the votes that say which."""
    from scipy import stats

    decided = wins + losses
    if not decided:
        return WinRate(ties, 0, 0, ties, math.nan, math.nan, math.nan, 1.0)
    test = stats.binomtest(wins, decided, 0.5)
    low, high = test.proportion_ci(0.95, method="exact")
    rate = wins / decided
    return WinRate(decided + ties, wins, losses, ties, rate, float(low), float(high), test.pvalue)


class Tally:
    """The votes on one pair of models, open until the names are shown."""

    def __init__(
        self, workspace: Workspace, model: str, other: str, sampling: Sampling, *, fresh: str = ""
    ) -> None:
        """Name the pair.

        Args:
            model: Whose win rate it is: a fine-tune's id, or `base:<id>`.
            sampling: How their answers are written; its seed may be another for each vote.
            fresh: A word that keeps a sitting apart from others on the same pair.

        Raises:
            InputError: there is no such fine-tune, or both are the same.
        """
        self.speakers: tuple[Speaker, Speaker] = of(workspace, model), of(workspace, other)
        if model == other:
            raise InputError("a vote is between two different models; choose another")
        self._workspace = workspace
        self._config = {"model": model, "other": other, **to_config(sampling), "sitting": fresh}
        said = {k: v for k, v in self._config.items() if k != "seed"}
        self._fingerprint = fingerprint("vote", said)

    @editors("vote")
    def add(
        self,
        prompt: str,
        answers: tuple[str, str],
        choice: Choice,
        *,
        swapped: bool,
        seed: int,
        user: str = "",
    ) -> int:
        """Keep one vote; return how many different prompts have one. The last for a prompt counts.

        Of runs on private data neither prompt nor answers are kept.

        Args:
            answers: As they were shown, the first first.
            swapped: Whether the other's answer was shown first.

        Raises:
            InputError: another process writes to this tally.
            OSError: the workspace cannot be written.
        """
        if any(is_private(speaker.made) for speaker in self.speakers):  # told apart, not told
            prompt, answers = f"{HIDDEN} {fingerprint(prompt)}", (HIDDEN, HIDDEN)
        vote = {
            "prompt": prompt,
            "answers": list(answers),
            "choice": choice,
            "swapped": swapped,
            "seed": seed,
            "user": user,
            "time": utc_now().isoformat(timespec="seconds"),
        }
        with _ONE:
            draft = self._draft()
            try:
                append_jsonl(draft.path / FILE, vote)
                return len(_counted(draft))
            finally:
                draft.lock.close()

    def count(self) -> int:
        """Return how many prompts have a vote so far; nothing more is told before the end."""
        with _ONE:
            draft = self._workspace.unfinished("vote", self._fingerprint)
            if draft is None:
                return 0
            try:
                return len(_counted(draft))
            finally:
                draft.lock.close()

    def seal(self) -> Artifact:
        """End the votes, and say who was who.

        Raises:
            InputError: nobody voted.
        """
        with _ONE:
            draft = self._workspace.unfinished("vote", self._fingerprint)
            if draft is None:
                raise InputError("nobody has voted on these two yet; vote at least once")
            votes = _counted(draft)
            rate = win_rate(*(sum(_who(v) == who for v in votes) for who in ("model", "other", "")))
            known = (rate.rate, rate.low, rate.high)
            shares = [round(x, 6) if math.isfinite(x) else None for x in known]
            names = [title(s) for s in self.speakers]
            summary: VoteSummary = {
                "votes": rate.votes,
                "wins": rate.wins,
                "losses": rate.losses,
                "ties": rate.ties,
                "rate": shares[0],
                "low": shares[1],
                "high": shares[2],
                "p": round(rate.p, 6),
                "first_won": sum(v["choice"] == "first" for v in votes),
                "model": names[0],
                "other": names[1],
            }
            return draft.seal(summary)

    def _draft(self) -> Draft:
        open_one = self._workspace.unfinished("vote", self._fingerprint)
        if open_one is not None:
            return open_one
        mine, other = (s.made for s in self.speakers)
        return self._workspace.draft(
            "vote",
            name=f"{title(self.speakers[0])} against {title(self.speakers[1])}",
            config=self._config,
            parents={"finetune": mine.id} | ({"other": other.id} if other.id != mine.id else {}),
            fingerprint=self._fingerprint,
        )


def _counted(draft: Draft) -> list[dict[str, Any]]:
    """Return the last vote on each prompt and seed."""
    votes = {(v["prompt"], v["seed"]): v for v in read_jsonl(draft.path / FILE)}
    return list(votes.values())


def _who(vote: dict[str, Any]) -> str:
    """Return whom a vote is for: model, other, or nobody."""
    if vote["choice"] == "tie":
        return ""
    return "other" if (vote["choice"] == "first") == vote["swapped"] else "model"
