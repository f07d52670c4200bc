"""Helper functions: closures, defaults, early returns, lambdas, recursion, generators."""

EXPRESSIONS = [
    "(lambda $u: {x with $u=0.3})({s})",
    "(lambda $u, $w=0.4: {s with $u=0.3, $w=0.4})({s})",
    "np.sum(list(map(lambda $u: {s with $u=0.3}, {a1})))",
    "soft({x})",
    "scaled({a}, {c})",
    "power({s}, {count})",
    "functools.reduce(lambda $u, $w: $u * 0.5 + $w, {a1}, {s})",
]
STATEMENTS = [
    "def $h($u={y:x}):\n    {body}\n    return {x}\n{new} = $h({y}) * {c}",
    "def $h($u={y:s}, $w={z:a}):\n    {body}\n    return $u * $w\n{new} = $h({y}, {z})\n{new} = $h({y}, {z}) + $h({z:s}, {z:a})",
    "def $h($u={y:s}):\n    if $u > {p}:\n        return {s}\n    {body}\n    return {s}\n{new} = $h({y}) + $h({s})",
    "def $h($u={y:x}):\n    return {x}, {s}\n$p, $q = $h({y})\n{new} = $p * $q",
    "$h = lambda $u: {s with $u=0.3}\n{new} = $h({s}) + $h({s})",
    "def $h($u={y:var}):\n    $u[0] = {s}\n    return $u * {c}\n{new} = $h({y}.copy())",
    "def $h($u={y:a}):\n    $u += {c}\n$p = {y} * 1.0\n$h($p)\n{new} = $p * {c}",
    "{new} = soft({x}) + soft({s})",
    "{new} = scaled({a}, by={s})",
    "{new} = power({s}, 3)",
    "{y:new} = {s}\nfor $w in halves({s}):\n    {y} = {y} + $w",
    "$k = {s}\ndef $h($u={y:x}):\n    return $u * $k\n{new} = $h({y})\n$k = {s}\n{new} = $h({y})",
    "{new} = functools.partial(scaled, by={s})({a})",
]
DECLARATIONS = {
    "soft": 'def soft(u):\n    """Softplus."""\n    return np.log1p(np.exp(-np.abs(u))) + np.maximum(u, 0.0)\n',
    "scaled": "def scaled(u, by=0.5, *, shift=0.1):\n    v = u * by\n    v += shift\n    return v\n",
    "power": "def power(u, n):\n    if n == 0:\n        return 1.0\n    return u * power(u, n - 1)\n",
    "halves": "def halves(u):\n    for n in range(3):\n        u = u * 0.5\n        yield u * (n + 1)\n",
}
