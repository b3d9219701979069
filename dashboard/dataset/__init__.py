"""Parts of the dataset page: a file before its import, the doctor after it."""
