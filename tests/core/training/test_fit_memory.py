import numpy as np
import pytest
import torch

from core.errors import InputError
from core.training import fit_memory


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("8G", 8 * 2**30),
        ("512m", 512 * 2**20),
        ("1.5 GiB", 1.5 * 2**30),
        ("1000", 1000),
        ("2TB", 2**41),
    ],
)
def test_sizes_are_read_as_people_write_them(text, size):
    assert fit_memory.parse(text) == size


@pytest.mark.parametrize("text", ["", "much", "-1G", "8 G G", "1e3"])
def test_a_size_that_is_none_is_refused(text):
    with pytest.raises(InputError, match="S2L_MEMORY is a size as 8G"):
        fit_memory.parse(text)


def test_a_shared_machine_gives_what_it_is_told_to(monkeypatch):
    whole = fit_memory.room()
    monkeypatch.setenv(fit_memory.VARIABLE, "64M")
    told = fit_memory.room()
    assert 64 * 2**20 in told
    assert max(whole) > max(told)


def test_the_peak_is_of_what_came_since_it_was_forgotten():
    fit_memory.forget_peak()
    before = fit_memory.peak().host
    held = np.ones(2**24)  # 128 MiB
    after = fit_memory.peak().host
    assert after - before > 0.8 * held.nbytes
    del held
    assert fit_memory.peak().host == pytest.approx(after, rel=0.05)


def test_bytes_are_written_as_people_say_them():
    assert fit_memory.gib(3.25 * 2**30) == "3.2 GiB"
    assert fit_memory.gib(100 * 2**20) == "100 MiB"


def test_the_memory_of_a_gpu_is_what_its_driver_has_free_and_this_process_holds(monkeypatch):
    """As far as it goes without a GPU: with a driver that is made up."""
    monkeypatch.delenv(fit_memory.VARIABLE, raising=False)
    monkeypatch.setattr(fit_memory.loading, "device", lambda: "cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (6 * 2**30, 80 * 2**30))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: 4 * 2**30)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda: 7 * 2**30)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: None)
    room = fit_memory.room()
    assert room.device == pytest.approx(fit_memory.SPARE * 10 * 2**30)
    assert room.host > 0
    assert fit_memory.held() == 4 * 2**30
    fit_memory.forget_peak()
    assert fit_memory.peak().device == 7 * 2**30
    monkeypatch.setenv(fit_memory.VARIABLE, "8G")
    assert fit_memory.room().device == 8 * 2**30
    assert fit_memory.room().host == pytest.approx(room.host, rel=0.2), "the limit is the GPU's"
