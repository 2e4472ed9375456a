"""A stereo network of our own, trained on random worlds alone: it proposes depth, geometry disposes."""
