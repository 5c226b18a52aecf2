"""The demo: the main job once, on real public data, checked at the target."""
