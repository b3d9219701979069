"""The engine of S2L Studio: from a dataset to a compared fine-tune. Never imports streamlit."""

import os

NO_TELEMETRY = {
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "WANDB_MODE": "disabled",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "DISABLE_MLFLOW_INTEGRATION": "TRUE",
    "COMET_MODE": "DISABLED",
}
"""Set before any library is imported, in every process: none of them reports who uses it how."""
os.environ.update(NO_TELEMETRY)
