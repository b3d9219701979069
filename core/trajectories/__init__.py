"""Trajectories: every example's loss over the training of a small proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core import faces

if TYPE_CHECKING:
    from core.trajectories.recorder import TrajectoryRecorder as TrajectoryRecorder
    from core.trajectories.train import FROM_SCRATCH as FROM_SCRATCH
    from core.trajectories.train import Settings as Settings
    from core.trajectories.train import resolve as resolve
    from core.trajectories.train import run as run

faces.lazy(__name__, __file__)
