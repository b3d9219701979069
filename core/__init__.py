"""The engine of S2L Studio: from a dataset to a compared fine-tune. Never imports streamlit."""
