"""Products, contractions and factorisations."""

_WELL = "(({q:sq}) @ ({q}).T + np.eye(len({q})) * 1.5)"

EXPRESSIONS = [
    "{a2} @ {a1}",
    "{a1} @ {a1}",
    "{a1} @ {a2}",
    "{a2} @ {a2}",
    "{y:a2} @ {y}.T",
    "{y:a2}.T @ {y}",
    "np.dot({a1}, {same})",
    "np.dot({a}, {a1})",
    "{name}.dot({a1})",
    "np.outer({a1}, {a1})",
    "np.inner({a1}, {same})",
    "np.vdot({a}, {same})",
    "np.tensordot({a}, {same}, axes=1)",
    "np.einsum('i,i->', {a1}, {same})",
    "np.einsum('ij,j->i', {a2}, {a1})",
    "np.einsum('ij,kj->ik', {y:a2}, {y})",
    "np.einsum('ii->', {sq})",
    "np.trace({a2})",
    "np.kron({a1}, {a1})",
    f"np.linalg.solve({_WELL}, {{q}}[0])",
    f"np.linalg.inv({_WELL})",
    f"np.linalg.det({_WELL})",
    f"np.linalg.slogdet({_WELL})[1]",
    f"np.linalg.cholesky({_WELL})",
    "np.linalg.norm({a2})",
    "np.linalg.matrix_power({sq}, 2)",
    "np.array([[1.0, 2.0], [0.5, -1.0]]).dot({a1})",
    "np.matmul({a2}, {a2})",
    "np.triu({sq}) @ {a1}",
]
STATEMENTS = [
    "{new} = {a2} @ {a1}",
    "{new} = {y:a2} @ {y}.T + np.eye(len({y}))",
    "{new} = np.outer({y:a1}, {y}) + np.eye(len({y}))\n{new} = np.linalg.solve(np.outer({y}, {y}) + np.eye(len({y})), {y})",
    f"$L = np.linalg.cholesky({_WELL})\n{{new}} = np.sum(np.log(np.diag($L)))",
    f"$sign, $det = np.linalg.slogdet({_WELL})\n{{new}} = $sign * $det",
    "{y:new} = np.eye(2)\nfor $i in range(3):\n    {y} = {y} @ np.array([[{s}, 0.2], [0.1, {c}]]) * 0.4",
]
