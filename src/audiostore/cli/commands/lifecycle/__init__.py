"""Show and set what a store does with assets as they age."""

GROUP = "look after a store"
