"""For and while loops, rolled and unrolled, with jumps and else."""

EXPRESSIONS = [
    "sum({s with $v=0.4} for $v in {a1})",
    "sum([{s with $i=0} for $i in range({count})])",
    "{s} * {int}",
]
STATEMENTS = [
    "for $i in range({count}):\n    {body}",
    "for $i in range({count}):\n    {body}",
    "{y:new} = {x}\nfor $i in range({count}):\n    {y} = np.tanh({y} * {c} + {b})",
    "{y:new} = 0.0\nfor $v in {a1}:\n    {y} += {s}\n    {y} = {y} * {s}",
    "{y:new} = {s}\nfor $i in range({count}):\n    {y} = {y} * 0.5 + {s}\n    {body}",
    "for $v in {a}:\n    {body}",
    "for $i, $v in enumerate({a1}):\n    {body}",
    "{y:new} = {s}\nfor $v, $w in zip({a1}, {a1}):\n    {y} = {y} + {s}\n    {body}",
    "for $i in range({count}):\n    for $j in range($i + 1):\n        {body}",
    "{y:new} = {a}.copy()\nfor $i in range(len({y})):\n    {y}[$i] = {b}\n    {body}",
    "{y:new} = {a1}.copy()\nfor $i in range(1, len({y})):\n    {y}[$i] += {y}[$i - 1] * {s}",
    "{y:new} = {a1} * 1.0\nfor $i in range(len({y}) - 2, -1, -1):\n    {y}[$i] -= {y}[$i + 1] * {s}",
    "$i = 0\nwhile $i < {count}:\n    $i += 1\n    {body}",
    "$i, {y:new} = 0, {s}\nwhile {y} < 2.0 and $i < 4:\n    $i += 1\n    {y} = {y} * 1.3 + 0.2 + {s} ** 2 * 0.1\n    {body}",
    "$i = 0\nwhile True:\n    $i = $i + 1\n    {body}\n    if $i >= {count}:\n        break",
    "for $i in range(4):\n    {body}\n    if {cond}:\n        break\n    {body}",
    "for $i in range({count}):\n    if {cond}:\n        continue\n    {body}",
    "for $i in range(3):\n    if {cond}:\n        break\n    {body}\nelse:\n    {body}",
    "for $k in (0.5, 1.5, -0.5):\n    {body}",
    "for $i in range(0, {count}, 2):\n    {body}",
    "for $i in reversed(range({count})):\n    {body}",
    "for $v in reversed({a1}):\n    {body}",
    "{y:new} = {s}\nfor $i in range(2):\n    {z:new} = {y} * {s}\n    {y} = {z} + {c}",
    "$p, $q = {s}, {s}\nfor $i in range({count}):\n    $p, $q = $q, $p * 0.5 + $q * 0.3\n{new} = $p * {x}",
    "for $v in {a2}.T:\n    {body}",
]
