"""What `streamlit run` finds; the pages beside it are listed in dashboard/main.py."""

import streamlit as st
from starlette.middleware import Middleware

from dashboard.frame import who
from dashboard.frame.first_style import FirstStyle
from dashboard.frame.gate import Gate

app = st.App(
    "dashboard/main.py",
    middleware=[Middleware(Gate), Middleware(FirstStyle)],
    on_script_error=who.refused,
)
