"""Exit methods: heads after layers, learned scores, training plans, and the model that leaves by a rule."""
