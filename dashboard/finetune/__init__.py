"""The fine-tune page: its form, what runs, what was made."""
