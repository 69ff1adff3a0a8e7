"""Is what arrived what was dumped? One module for each level of looking; `levels` joins them."""
