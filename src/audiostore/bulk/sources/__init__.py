"""Where the items of a bulk run come from: folders and manifests."""
