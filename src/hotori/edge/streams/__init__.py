"""The device's side of streams: its line up, logs that are followed, shells, and those of devices behind it."""
