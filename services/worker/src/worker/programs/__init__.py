"""Programs of the worker that run in cells, one for each component type whose code is ours.

Each module has `run(config, inputs)`, which may be a coroutine function: the component version's config and the step's
inputs, both JSON objects; what it returns is the step's output. It finds `mcpanel_step` and the packages of its toolbox
(`worker.toolboxes`), never those of the worker. Its module is imported before the fork.
"""
