#!/bin/sh
# Prints a Fibonacci number, the slow way: two tasks more for every number from 2 on. Run by a task
# with `spawns: true`, see fib.yaml. While it waits, others have its core.
set -eu
if [ "$1" -lt 2 ]; then
    echo "$1"
    exit
fi
cat > parts.yaml <<END
inputs:
  script: { file: fib.sh }
tasks:
  - name: a
    process: { argv: [sh, fib.sh, "$(($1 - 1))"], files: { fib.sh: script }, spawns: true }
  - name: b
    process: { argv: [sh, fib.sh, "$(($1 - 2))"], files: { fib.sh: script }, spawns: true }
outputs: { a: a, b: b }
END
"$DRAWLOOM" add parts.yaml --wait > parts.txt
awk '{ sum += $3 } END { print sum }' parts.txt
