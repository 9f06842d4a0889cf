"""What runs in the rendered project, in its environment."""
