"""What the node offers: from the machine's devices to ResourceSlices that stay right."""
