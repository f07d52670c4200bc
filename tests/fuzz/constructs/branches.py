"""Branches on values, sizes and texts."""

EXPRESSIONS = [
    "({s} if {cond} else {c})",
    "({a} if {cond} else {same})",
    "({y:a} if {cond} else {y} * {c})",
    "np.where({cond}, {x}, {b})",
    "({s} > {p} and {s}) * 1.0",
]
STATEMENTS = [
    "if {cond}:\n    {body}",
    "if {cond}:\n    {body}\nelse:\n    {body}",
    "if {cond}:\n    {body}\nelif {cond}:\n    {body}\nelse:\n    {body}",
    "{y:new} = {x}\nif {cond}:\n    {y} = {y} * {c}",
    "if {cond}:\n    {y:new} = {z:x}\nelse:\n    {y} = {z} * {c}",
    "{y:new} = {a} * 1.0\nif {cond}:\n    {y}[0] = {s}\nelse:\n    {y}[-1] *= {s}",
    "{new} = {z:x} if {cond} else {z} * {c}",
    "if {cond}:\n    return {s}",
    "if {cond}:\n    if {cond}:\n        {body}\n    {body}",
    "match {y:a}.ndim:\n    case 1:\n        {new} = {y} * {c}\n    case _:\n        {new} = {y} + {c}",
    "{y:new} = None\nif {cond}:\n    {y} = {s}\nif {y} is None:\n    {y} = {s}",
]
