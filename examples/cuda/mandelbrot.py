"""The picture that mandelbrot.cu makes, on a CPU."""

import sys

width, height, steps = map(int, sys.argv[1:])
for row in range(height):
    line = ""
    for column in range(width):
        a, b = -2.2 + 3.2 * column / width, -1.2 + 2.4 * row / height
        x = y = 0.0
        step = 0
        while step < steps and x * x + y * y <= 4:
            x, y = x * x - y * y + a, 2 * x * y + b
            step += 1
        line += " .:-=+*#%@"[step * 9 // steps]
    print(line)
