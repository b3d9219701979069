"""What a stranger's program may take, and that nobody else pays for it."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from core.errors import InputError
from core.jobs.bounds import MEMORY, bounded, loosened

TOLD = "import resource; print(resource.getrlimit(resource.RLIMIT_AS)[0])"


def told() -> int:
    return int(subprocess.run([sys.executable, "-c", TOLD], capture_output=True, check=True).stdout)


def test_one_call_does_not_get_gigabytes_and_the_limit_goes_when_it_ends() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(InputError, match=r"more than 0\.5 GiB"), bounded():
        bytearray(2 * MEMORY)
    assert resource.getrlimit(resource.RLIMIT_AS) == before
    assert len(bytearray(2 * MEMORY)) == 2 * MEMORY


def test_a_process_started_meanwhile_has_no_such_limit() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)[0]
    with bounded():
        tight = resource.getrlimit(resource.RLIMIT_AS)[0]
        with loosened():
            assert told() == before
        assert 0 < resource.getrlimit(resource.RLIMIT_AS)[0] != before
    assert tight != before
    with loosened():
        assert told() == before
