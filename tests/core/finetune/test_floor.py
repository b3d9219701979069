"""The floor of exact match, beside a plain count."""

import collections

from core.dataset.run import examples
from core.finetune.evaluate import load_items
from core.finetune.floor import commonest_right


def test_the_commonest_answer_of_each_source_in_the_pool(finished):
    dataset = finished.workspace.open(finished.dataset)
    rows = examples(dataset)
    counts = collections.defaultdict(collections.Counter)
    for row in rows[rows["split"] == "pool"].to_dict("records"):
        known = isinstance(row["answer"], str) and row["answer"]
        counts[row["source"]][(known or row["response"]).strip()] += 1
    items = load_items(dataset, "holdout")
    best = {s: min(c, key=lambda a: (-c[a], a)) for s, c in counts.items()}
    expected = sum(best.get(i["source"]) == i["answer"].strip() for i in items.to_dict("records"))
    assert commonest_right(dataset, items) == expected
    assert expected <= len(items)
