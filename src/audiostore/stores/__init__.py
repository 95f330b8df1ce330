"""The stores: a Google Cloud Storage bucket, a local directory, memory."""
