"""The methods: a file each, with its loss, options, recipe and presets."""
