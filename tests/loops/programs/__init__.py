"""Programs with loops, a file a theme; `PROGRAMS` has them by name."""

from tests.loops.programs import dynamic, factorisations, finance, ode, particles, sequence, solvers, stencils
from tests.loops.programs.program import Program

_THEMES = (ode, sequence, stencils, factorisations, solvers, finance, particles, dynamic)

PROGRAMS: dict[str, Program] = {program.name: program for theme in _THEMES for program in theme.PROGRAMS}
