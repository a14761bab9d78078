"""What runs in the worker, beside the plugin: it loads, meters, prices, times and answers."""
