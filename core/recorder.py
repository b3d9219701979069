"""The recorder's old place, for one more release: import it from `core.trajectories`."""

from core.trajectories.recorder import TrajectoryRecorder as TrajectoryRecorder
