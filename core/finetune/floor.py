"""The floor of exact match: what answering without reading the question would get right."""

from __future__ import annotations

import pandas as pd
import pyarrow.parquet as pq

from core.dataset.artifact import examples_file
from core.workspace.artifact import Artifact


def commonest_right(dataset: Artifact, asked: pd.DataFrame) -> int | None:
    """Count the items that are right when each is answered by its source's commonest answer.

    The commonest is that of the pool, which may be learned, not of the test. Ties go to the first
    in order of text.

    Args:
        dataset: Of the items; None comes back where it has no pool.
        asked: The items that are answered: source, answer.
    """
    columns = ["source", "answer", "response", "split"]
    pool = pq.read_table(examples_file(dataset), columns=columns).to_pandas()
    pool = pool[pool["split"] == "pool"]
    if pool.empty:
        return None
    unknown = pool["answer"].isna() | (pool["answer"] == "")
    answers = pool["answer"].where(~unknown, pool["response"]).str.strip()
    best = answers.groupby(pool["source"]).agg(lambda a: a.mode().iloc[0] if len(a.mode()) else "")
    return int((asked["source"].map(best) == asked["answer"].astype(str).str.strip()).sum())
