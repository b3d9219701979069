"""Speakers: several fine-tunes, one model in memory."""

from core.chat.speakers import Shelf, base_of, of
from core.finetune.trained import load_base, load_trained


def test_one_model_is_in_memory_and_each_speaker_has_its_own_weights(runs, spoken):
    """The base stays while adapters change over it, and is itself again after them."""
    shelf = Shelf()
    keys = [runs.one.id, base_of(runs.one), runs.two.id, runs.one.id, base_of(runs.two)]
    alone = {
        key: load_base(of(spoken.workspace, key).made)[0]
        if key.startswith("base:")
        else load_trained(of(spoken.workspace, key).made)[0]
        for key in keys
    }
    import torch

    ids = torch.tensor([[5, 6, 7, 8]])
    seen = []
    for key in keys:
        with shelf.take(of(spoken.workspace, key)) as (model, _), torch.no_grad():
            seen.append(shelf.key)
            logits = model(input_ids=ids).logits
            expected = alone[key].eval()(input_ids=ids).logits
        assert torch.allclose(logits, expected, atol=1e-5), key
    assert len(set(seen)) == 1, "all of them are on one base"
    with shelf.take(of(spoken.workspace, runs.whole.id)):
        assert shelf.key == runs.whole.id
    shelf.clear()
    assert shelf.key == ""
