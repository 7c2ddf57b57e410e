"""What runs underneath: compiled programs, memory, devices, timing, safe file writing."""
