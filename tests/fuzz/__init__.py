"""Random programs in the text of NumPy, each run in every mode and compared with what NumPy says of it.

Run it
------
::

    python -m tests.fuzz --seeds 0:1000 --jobs 2            # the cheap modes: eager, and emitted text as plain Python
    python -m tests.fuzz --seeds 0:1000 --modes all --native-every 10
    python -m tests.fuzz --seeds 17 --modes text_grad       # one program, one mode
    python -m tests.fuzz --seeds 17 --show                  # its text
    python -m tests.fuzz program.py                         # a program kept in a file

A seed always gives the same program. Derivatives are compared with differences of three steps along two directions,
whose error is known; where those disagree, as at a kink, the program counts as not smooth. What comes of a program in a
mode is one of

* ok;
* refusal: a `JitdiffError`. The summary counts them by message, and the programs that only some modes refuse;
* warned: a `DisconnectedWarning` says that something is left out;
* wrong number, silent loss (a gradient that is zero where differences say otherwise), foreign error (any exception that
  is not ours): failures. The command prints each one shrunk, and returns how many there were.

How it works
------------
`generator` writes a program line by line. After each line it runs what there is with NumPy at both sizes, and takes
back what fails or gives numbers that are too large, so every program that it returns is one that NumPy runs.
`constructs` has what programs are made of, `oracle` what NumPy says of them, `modes` the ways to run them, `kernels`
the plain Python that stands in for machine code, `shrink` takes programs apart, `campaign` runs many.

Add a construct
---------------
Add a line to `EXPRESSIONS` or `STATEMENTS` of a file in `constructs`, whose documentation explains the templates. A new
theme is a new file, named in `constructs/statement.py`. Seeds mean other programs from then on.
"""
