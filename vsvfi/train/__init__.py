"""Training of the package's own networks: generated scenes, footage, losses, the trainer. Import is cheap."""
