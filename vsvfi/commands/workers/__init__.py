"""Work that is done by several processes: of this machine, or of a Ray cluster."""
