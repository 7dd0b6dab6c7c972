"""Case studies, written against the lifecycle as any user would write them."""
