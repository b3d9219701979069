"""The Streamlit side: the only code that knows both Streamlit and core."""
