"""The machine behind one port: its GPUs, MIG devices, device nodes and health."""
