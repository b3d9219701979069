"""The parts of a report, a file each: project in, `Section` out; a missing piece is named."""
