"""What `streamlit run` finds; the pages beside it are listed in dashboard/main.py."""

import streamlit as st

app = st.App("dashboard/main.py")
