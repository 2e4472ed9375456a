"""Scenes that priors are measured on and no network is trained on: rooms, tables, yards."""
