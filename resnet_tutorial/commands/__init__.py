"""The commands of `resnet_tutorial.cli`: for each its arguments, and a function that runs it."""
