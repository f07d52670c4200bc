"""Arrays joined and split."""

EXPRESSIONS = [
    "np.concatenate([{a1}, {a1}])",
    "np.concatenate([{a}, {same}], axis={ax})",
    "np.concatenate(({a1}, np.zeros(2), {a1}[:1]))",
    "np.stack([{y:a}, {same}, {y}])",
    "np.stack([{a}, {same}], axis=-1)",
    "np.stack([{s}, {s}])",
    "np.hstack([{a1}, {s}])",
    "np.vstack([{a1}, {same}])",
    "np.vstack(({a}, {same}))",
    "np.column_stack([{a1}, {same}])",
    "np.append({a1}, {s})",
    "np.r_[{a1}, {s}, 0.5]",
    "np.c_[{a1}, {same}]",
    "np.split({name}, [1])[0]",
    "np.array_split({a1}, 2)[0]",
    "np.pad({a1}, (1, 2))",
    "np.pad({a2}, 1)",
    "np.pad({a1}, 1, mode='edge')",
    "np.tile({a1}, 2)",
    "np.repeat({a}, 2, axis=0)",
    "np.repeat({a}, 2)",
]
STATEMENTS = [
    "{new} = np.concatenate([{a1}, {a1}])",
    "{new} = np.stack([{a}, {same}, {same}])",
    "{new} = np.append({y:a1}, {y}[0])",
    "{y:new} = {a1}\nfor $i in range(2):\n    {y} = np.append({y}, {s})",
    "{new} = np.concatenate([{a1}, np.array([{s}]), {a1}])",
    "$p, $q = np.split({a1}, [1])\n{new} = np.sum($p) * $q",
]
