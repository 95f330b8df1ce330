"""The store in a Google Cloud Storage bucket."""
