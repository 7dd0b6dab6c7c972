"""A party's own folder: durable files, content-addressed objects, one writer at a time."""
