"""Free text beside a reference: ROUGE-L, BLEU, and BERTScore where an encoder is on this machine.

ROUGE-L is the F measure of rouge-score without stemming, whose words are of Latin letters and
digits; a reference without any is left out and counted. BLEU is sacrebleu's, over all answers at
once. BERTScore (Zhang et al. 2020) is the F measure of the last hidden states, each token matched
with its likest by cosine, without weights of rarity and without rescaling.
"""

from __future__ import annotations

import math
import pathlib
import re
from collections.abc import Iterable, Sequence
from typing import Any

from core.errors import InputError

WORDS = 10
"""Of a reference: from so many on an answer that is compared as text is free text."""
LATIN = re.compile(r"[a-zA-Z0-9]")
BATCH = 16
NO_ENCODER = "no encoder is named: --encoder takes the folder of one, such as a BERT"


def is_free(gold: str, matcher: str, measure: str) -> bool:
    """Return whether an answer is compared with its gold by n-grams, too."""
    return measure == "text" or (not measure and matcher == "text" and len(gold.split()) >= WORDS)


def rouge_l(pairs: Iterable[tuple[str, str]]) -> list[float]:
    """Return ROUGE-L of (answer, reference) pairs, 0 to 1; NaN where no word of either is Latin."""
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rougeL"])
    return [
        float(scorer.score(gold, said)["rougeL"].fmeasure) if LATIN.search(gold) else math.nan
        for said, gold in pairs
    ]


def bleu(said: Sequence[str], golds: Sequence[str]) -> float:
    """Return BLEU of all answers at once, 0 to 100 (sacrebleu, tokens as 13a has them)."""
    import sacrebleu

    return float(sacrebleu.corpus_bleu(list(said), [list(golds)]).score)


def bert_scores(said: Sequence[str], golds: Sequence[str], encoder: str) -> list[float]:
    """Return BERTScore of answers beside their references, about 0 to 1; 0 of an empty answer.

    Raises:
        InputError: the encoder is no folder on this machine, or cannot be loaded from it.
    """
    import torch
    from transformers import AutoModel, AutoTokenizer

    if not pathlib.Path(encoder).expanduser().is_dir():
        raise InputError(f"--encoder {encoder} is no folder; BERTScore takes a local encoder")
    place = str(pathlib.Path(encoder).expanduser())
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, local_files_only=True)
        model: Any = AutoModel.from_pretrained(place, local_files_only=True).eval()
    except (OSError, ValueError) as e:
        first = (str(e).strip() or type(e).__name__).splitlines()[0][:300]
        raise InputError(f"--encoder {encoder} cannot be loaded ({first}); name another") from e
    room = min(tokenizer.model_max_length, 512)

    def states(texts: Sequence[str]) -> list[torch.Tensor]:
        """Return the normalised states of each text's own tokens (n_tokens, width)."""
        out = []
        for start in range(0, len(texts), BATCH):
            part = list(texts[start : start + BATCH])
            read = tokenizer(
                part,
                padding=True,
                truncation=True,
                max_length=room,
                return_tensors="pt",
                return_special_tokens_mask=True,
            )
            own = read["attention_mask"].bool() & ~read.pop("special_tokens_mask").bool()
            with torch.no_grad():
                hidden = model(**read).last_hidden_state
            hidden = torch.nn.functional.normalize(hidden, dim=-1)
            out += [row[mask] for row, mask in zip(hidden, own, strict=True)]
        return out

    return [_matched(*pair) for pair in zip(states(said), states(golds), strict=True)]


def _matched(said: Any, gold: Any) -> float:
    if not len(said) or not len(gold):
        return 0.0
    likeness = said @ gold.T
    precision, recall = (float(likeness.amax(axis).mean()) for axis in (1, 0))
    return 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0
