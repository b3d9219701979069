"""How the target is trained: all weights or an adapter; what cannot run here says why."""

from __future__ import annotations

import importlib.util
import shutil

import streamlit as st

from core.spec import Spec
from dashboard.escape import plain


def pick(spec: Spec, key: str) -> str:
    """Ask for a method; return it."""
    reason = why_not_qlora()
    offered = [m for m in spec.choices if m != "qlora" or not reason]
    if st.session_state.get(key) not in (None, *offered):
        st.session_state[key] = spec.default  # of a run from elsewhere
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        method = st.segmented_control(
            spec.label,
            offered,
            default=spec.default,
            required=True,
            format_func=spec.called,
            key=key,
            persist_state="session",
            help=spec.help,
        )
        if "qlora" not in offered:
            st.segmented_control(  # beside a button its words would stand at another height
                "Not here",
                [plain(spec.called("qlora"))],
                disabled=True,
                key=f"{key}:qlora",
                label_visibility="collapsed",
            )
    if "qlora" not in offered:
        st.caption(f"QLoRA: {reason}")
    return str(method or spec.default)


def why_not_qlora() -> str:
    """Say why weights in 4 bit cannot be trained on here; empty where they can."""
    if not shutil.which("nvidia-smi"):
        return "not here, 4-bit weights need an NVIDIA GPU and this machine has none."
    if importlib.util.find_spec("bitsandbytes") is None:
        return "not here, it needs the package bitsandbytes (pip install bitsandbytes)."
    return ""
