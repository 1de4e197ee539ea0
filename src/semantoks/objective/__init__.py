"""Objectives of pretraining: the protocol, one file per objective, and pure losses below them."""
