"""The routes: what each path of the service does."""
