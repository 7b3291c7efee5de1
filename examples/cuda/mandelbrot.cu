// A picture in letters: how many steps each point takes to leave the circle of radius 2.
extern "C" __global__ void mandelbrot(int width, int height, int steps, char* picture) {
    int column = blockIdx.x * blockDim.x + threadIdx.x;
    int row = blockIdx.y * blockDim.y + threadIdx.y;
    if (column > width || row >= height) return;
    char* place = picture + row * (width + 1) + column;
    if (column == width) {
        *place = '\n';
        return;
    }
    double a = -2.2 + 3.2 * column / width, b = -1.2 + 2.4 * row / height;
    double x = 0, y = 0;
    int step = 0;
    while (step < steps && x * x + y * y <= 4) {
        double next = x * x - y * y + a;
        y = 2 * x * y + b;
        x = next;
        step++;
    }
    *place = " .:-=+*#%@"[step * 9 / steps];
}
