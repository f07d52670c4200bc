"""What programs are made of. Each theme is a file with two tables of templates; a program draws from a few of them.

A template is text with slots in braces. ``{kind}`` becomes an expression or name of a kind (`slots.KINDS`),
``{y:kind}`` does and can be repeated as ``{y}``, and ``{kind with $v=0.5}`` may use the variable ``$v``, as in a
comprehension. ``$v`` is a fresh name. A line ``{body}`` becomes a few statements.

`EXPRESSIONS` give an array or a number; `STATEMENTS` may have several lines. `DECLARATIONS` go to the module before a
statement that uses their name.
"""
