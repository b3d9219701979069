"""Jobs: long work that outlives browser and server, waits its turn and can be stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core import faces

if TYPE_CHECKING:
    from core.jobs.commands import can_resume as can_resume
    from core.jobs.commands import settings_of as settings_of
    from core.jobs.drafts import discard as discard
    from core.jobs.drafts import draft_of as draft_of
    from core.jobs.failures import FAILURES as FAILURES
    from core.jobs.failures import Failure as Failure
    from core.jobs.launchers import device_for as device_for
    from core.jobs.queue import active as active
    from core.jobs.queue import all_about as all_about
    from core.jobs.queue import command as command
    from core.jobs.queue import forget as forget
    from core.jobs.queue import jobs as jobs
    from core.jobs.queue import latest as latest
    from core.jobs.queue import log_tail as log_tail
    from core.jobs.queue import newest as newest
    from core.jobs.queue import progress_of as progress_of
    from core.jobs.queue import recent_progress as recent_progress
    from core.jobs.queue import saved_step as saved_step
    from core.jobs.queue import status as status
    from core.jobs.queue import stop as stop
    from core.jobs.queue import submit as submit
    from core.jobs.queue import wait as wait
    from core.jobs.record import ACTIVE as ACTIVE
    from core.jobs.record import ENDED as ENDED
    from core.jobs.record import Job as Job
    from core.jobs.record import JobState as JobState
    from core.jobs.record import folder_of as folder_of
    from core.jobs.reorder import move as move
    from core.jobs.reorder import waiting as waiting
    from core.jobs.retry import fixed as fixed
    from core.jobs.retry import resume as resume
    from core.jobs.retry import retry as retry

faces.lazy(__name__, __file__)
