"""Base: names, log limits, and the tools that every other role counts on."""
