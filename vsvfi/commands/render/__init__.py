"""`vsvfi render`: from a source file to a finished one."""
