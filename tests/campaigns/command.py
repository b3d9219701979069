"""The command line of a campaign: numbers, a folder that stays, stages; the last line of stdout is JSON."""

import json
import pathlib
import sys
import tempfile
from collections.abc import Callable


def main(campaign: Callable[..., dict], count: float) -> int:
    """Run a campaign with the numbers that are given; return 1 where something was wrong.

    Args:
        campaign: Takes the numbers in their order, and `folder`; `stages` where words follow it.
        count: The first number, where none is given.
    """
    numbers, places = [], []
    for text in sys.argv[1:]:
        try:
            numbers.append(int(text) if text.isdigit() else float(text))
        except ValueError:
            places.append(pathlib.Path(text))
    with tempfile.TemporaryDirectory() as place:
        folder = places[0] if places else pathlib.Path(place)
        folder.mkdir(exist_ok=True)
        stages = {"stages": [str(p) for p in places[1:]]} if places[1:] else {}
        found = campaign(*(numbers or [count]), folder=folder, **stages)
    sys.stdout.write(json.dumps(found) + "\n")
    return int(bool(found["wrong"]))
