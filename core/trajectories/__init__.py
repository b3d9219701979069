"""Trajectories: every example's loss over the training of a small proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core import faces

if TYPE_CHECKING:
    from core.trajectories.recorder import TrajectoryRecorder as TrajectoryRecorder
    from core.trajectories.run import run as run
    from core.trajectories.settings import Settings as Settings
    from core.trajectories.settings import resolve as resolve

faces.lazy(__name__, __file__)
