"""Convolutions, normalisation and initialisation that all networks share."""
