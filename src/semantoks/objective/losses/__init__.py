"""Losses as pure functions of tensors: they know no model and keep no state."""
