"""The drawings of a report: tables in, SVG out; what each leaves out is said beside it."""
