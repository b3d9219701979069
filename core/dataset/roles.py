"""Who speaks: the names that data has for the four roles."""

from __future__ import annotations

ROLES = {
    **dict.fromkeys(("user", "human", "prompter", "instruction", "input", "question"), "user"),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "model", "bot", "ai"), "assistant"),
    **dict.fromkeys(("response", "chatbot", "output", "answer", "completion"), "assistant"),
    **dict.fromkeys(("bing", "bard", "claude"), "assistant"),
    **dict.fromkeys(("system", "developer", "system_prompt"), "system"),
    **dict.fromkeys(("tool", "function", "observation", "ipython", "environment"), "tool"),
    **dict.fromkeys(("tool_response", "tool_result", "tool_output", "tool_results"), "tool"),
    **dict.fromkeys(("function_response", "function_result", "function_output"), "tool"),
    **dict.fromkeys(("function_call", "tool_call", "tool_calls", "function_calls"), "assistant"),
}
"""Names, in lower case and with underscores -> role."""
CALLS = ("function_call", "tool_call", "tool_calls", "function_calls")
"""Names of the assistant whose content is a call of tools."""


def name_of(role: str) -> str:
    """Return a role's name as ROLES has it."""
    return role.strip().lower().replace(" ", "_").replace("-", "_")


def role_of(name: str) -> str | None:
    """Return the role of a name, whatever its case and the spaces around it; None if unknown."""
    return ROLES.get(name) or ROLES.get(name_of(name))
