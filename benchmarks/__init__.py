"""Training-step benchmarks of tinygrad_edu against PyTorch: ``python -m benchmarks --help``.

Every workload is written once against PyTorch's API and runs on both libraries, each in a process of its own; the two
are timed in turn, block by block, so that a drift of the machine hits both.

=================  =====================================================================
``registry``       `Workload`, `Context` and the ``@workload`` decorator
``workloads/``     the workloads, one small function each
``worker``         the process that holds one library and runs steps when asked
``harness``        the parent: starts two workers, alternates them, compares their losses
``machine``        what machine this is, and how busy others kept it meanwhile
``report``         lines, Markdown tables and the saved JSON
=================  =====================================================================
"""
