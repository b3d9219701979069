"""Names of columns by which the parts of a conversation are found, best first."""

from __future__ import annotations

SYSTEM = {"system": ("system", "system_prompt"), "empty_system": ("empty_system",)}
"""An empty cell is no system turn, unless the row says so, as our own alpaca export does."""
TOOLS = {"tools": ("tools", "functions")}
CHOICES = ("choices", "options", "endings")
OPTIONS = {
    f"option_{n}": (
        *(f"op{letter}", f"option{n}", f"option_{n}", f"option_{letter}", f"option{letter}"),
        *(f"sol{n}", f"answer{letter}", f"choice{n}", f"choice_{n}", f"choice_{letter}"),
        *(f"ending{n - 1}", letter),
    )
    for n, letter in enumerate("abcde", 1)
}
"""Choices of a question that have a column each, in their order."""
NAMES_CHOICE = ("label", "cop", "correct_option", "answer_index", "answer_idx", "gold")
"""Columns that are a reply only where there are choices, one of which they name."""
CONTEXT = ("context", "passage", "article", "document", "background", "support", "sql_context")
MORE = {
    "context": CONTEXT,
    "choices": CHOICES,
    "history": ("history",),
    **SYSTEM,
    **TOOLS,
}
"""What belongs to a prompt beside its own column."""
CHAT = {**SYSTEM, **TOOLS}
ALPACA_RESPONSE = ("output", "response", "completion")
QA_RESPONSE = (
    *("response", "solution", "output", "completion", "answer", "answerkey"),
    *("answers", "short_answers", "correct", "correct_answer", *NAMES_CHOICE),
)
ACCEPTED = ("answer", "answers", "short_answers")
"""Replies that may be lists of the answers that are accepted, of which one is said."""
COMMON = {
    "source": ("source", "task", "category", "topic", "dataset", "subset", "data_source"),
    "answer": ("answer",),
    "id": ("id", "uuid"),
}
