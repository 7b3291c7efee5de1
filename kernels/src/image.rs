//! Augmentation of images.

use crate::call::Call;
use crate::context::CHUNK;
use crate::element::{Float, for_floats};
use crate::fill::generator;
use crate::philox::{Philox, below, unit};
use crate::{KernelError, Outputs};

/// Where the generator's blocks for noise begin; those for the images' moves are below.
const NOISE_BLOCKS: u64 = 1 << 63;

/// How images are varied.
struct Variation {
    height: usize,
    width: usize,
    max_shift: u64,
    max_rotation: f64,
    noise: f64,
    random: Philox,
}

/// How one image moves.
struct Move {
    down: i64,
    right: i64,
    /// Cosine and sine of the angle it turns by.
    turn: (f64, f64),
}

pub(crate) fn image_shift(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let variation = Variation {
        height: call.arguments.int("height") as usize,
        width: call.arguments.int("width") as usize,
        max_shift: call.arguments.int("max_shift").unsigned_abs(),
        max_rotation: call.arguments.float("max_rotation").to_radians(),
        noise: call.arguments.float("noise"),
        random: generator(call),
    };
    let pixels = variation.height * variation.width;
    let images_at_once = (CHUNK / 8 / pixels).max(1);
    let chunk = images_at_once * pixels;
    for_floats!(call, call.dtype(0), T => {
        let x = call.input::<T>(0);
        let y = call.create_one::<T>(outputs)?;
        call.context.for_each(y.chunks_mut(chunk).zip(x.chunks(chunk)).enumerate(), |(index, (y, x))| {
            let images = y.chunks_exact_mut(pixels).zip(x.chunks_exact(pixels));
            for (image, (y, x)) in (index * images_at_once..).zip(images) {
                variation.vary(image as u64, x, y);
            }
        })
    })
}

impl Variation {
    /// Writes the varied image to `y`. `image` is its number, which the variation depends on.
    fn vary<T: Float>(&self, image: u64, x: &[T], y: &mut [T]) {
        let way = self.draw(image);
        for (row, y) in y.chunks_exact_mut(self.width).enumerate() {
            for (column, y) in y.iter_mut().enumerate() {
                // Where the pixel was before the shift.
                let (row, column) = (row as i64 - way.down, column as i64 - way.right);
                *y = if self.max_rotation == 0.0 {
                    self.pixel(x, row, column)
                } else {
                    T::from_f64(self.between(x, row, column, way.turn))
                };
            }
        }
        if self.noise > 0.0 {
            self.add_noise(image, y);
        }
    }

    fn draw(&self, image: u64) -> Move {
        let [shift, turn] = self.random.words(image);
        let [down, right] = [shift << 32, shift & !0 << 32]
            .map(|word| below(word, 2 * self.max_shift + 1) as i64 - self.max_shift as i64);
        let angle = (2.0 * unit(turn) - 1.0) * self.max_rotation;
        Move { down, right, turn: (angle.cos(), angle.sin()) }
    }

    /// A pixel, or 0 beyond the image's edges.
    fn pixel<T: Float>(&self, x: &[T], row: i64, column: i64) -> T {
        let (Ok(row), Ok(column)) = (usize::try_from(row), usize::try_from(column)) else {
            return T::ZERO;
        };
        if row < self.height && column < self.width {
            x[row * self.width + column]
        } else {
            T::ZERO
        }
    }

    /// The pixel that turning about the image's middle brings to `row` and `column`, between the
    /// four it falls among (bilinear interpolation).
    fn between<T: Float>(&self, x: &[T], row: i64, column: i64, turn: (f64, f64)) -> f64 {
        let middle = ((self.height - 1) as f64 / 2.0, (self.width - 1) as f64 / 2.0);
        let (down, right) = (row as f64 - middle.0, column as f64 - middle.1);
        let from_row = middle.0 + turn.0 * down - turn.1 * right;
        let from_column = middle.1 + turn.1 * down + turn.0 * right;
        let (row, column) = (from_row.floor(), from_column.floor());
        let (lower, righter) = (from_row - row, from_column - column);
        let pixel = |down: i64, right: i64| {
            self.pixel(x, row as i64 + down, column as i64 + right).to_f64()
        };
        let upper_pixel = pixel(0, 0) * (1.0 - righter) + pixel(0, 1) * righter;
        let lower_pixel = pixel(1, 0) * (1.0 - righter) + pixel(1, 1) * righter;
        upper_pixel * (1.0 - lower) + lower_pixel * lower
    }

    fn add_noise<T: Float>(&self, image: u64, y: &mut [T]) {
        let first = NOISE_BLOCKS + image * y.len().div_ceil(2) as u64;
        for (block, y) in (first..).zip(y.chunks_mut(2)) {
            for (y, noise) in y.iter_mut().zip(self.random.normals(block)) {
                *y = T::from_f64(y.to_f64() + self.noise * noise);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use drawloom_model::{Attribute, Value};

    use crate::trial::{assert_near, made, numbers, random};

    fn varied(x: &Value, sides: [i64; 2], more: &[(&'static str, Attribute)]) -> Value {
        let sides = [("height", Attribute::Int(sides[0])), ("width", Attribute::Int(sides[1]))];
        made("image_shift", &[&sides, more].concat(), from_ref(x))
    }

    fn shifted(image: &[f64], [height, width]: [i64; 2], [down, right]: [i64; 2]) -> Vec<f64> {
        let pixel = |place: i64| {
            let (row, column) = (place / width - down, place % width - right);
            let inside = (0..height).contains(&row) && (0..width).contains(&column);
            if inside { image[(row * width + column) as usize] } else { 0.0 }
        };
        (0..height * width).map(pixel).collect()
    }

    #[test]
    fn images_move_by_whole_pixels() {
        let x = random::<f32>(&[2000, 12], 1);
        let y = numbers(&varied(&x, [3, 4], &[("max_shift", Attribute::Int(1))]));
        let mut moves = [0; 9];
        for (before, after) in numbers(&x).chunks(12).zip(y.chunks(12)) {
            let all = (0..9).map(|code| [code / 3 - 1, code % 3 - 1]);
            let found = all.clone().position(|way| shifted(before, [3, 4], way) == after);
            moves[found.expect("a shift of one pixel at most")] += 1;
        }
        assert!(moves.iter().all(|count| (160..290).contains(count)), "{moves:?}");
    }

    #[test]
    fn without_any_variation_images_stay() {
        let still = ("max_shift", Attribute::Int(0));
        for n in [0, 1, 300] {
            let x = random::<f64>(&[n, 64], 1);
            assert_eq!(varied(&x, [8, 8], from_ref(&still)), x);
        }
        // No angle turns a single pixel away.
        let x = random::<f64>(&[5, 1], 1);
        let turning = ("max_rotation", Attribute::Float(180.0));
        assert_near(&varied(&x, [1, 1], &[still, turning]), &numbers(&x), 1e-12);
    }

    #[test]
    fn turning_keeps_what_is_in_the_middle() {
        let disc: Vec<f32> = (0..81)
            .map(|place| f32::from((place / 9 - 4i16).pow(2) + (place % 9 - 4).pow(2) < 9))
            .collect();
        let x = crate::trial::tensor(&[200, 81], &disc.repeat(200));
        let given = [("max_shift", Attribute::Int(0)), ("max_rotation", Attribute::Float(90.0))];
        let y = numbers(&varied(&x, [9, 9], &given));
        for image in y.chunks(81) {
            assert!((image[40] - 1.0).abs() < 1e-6, "the middle stays");
            assert!(image[0].abs() < 1e-6, "corners stay empty");
            let mass: f64 = image.iter().sum();
            assert!((23.0..27.0).contains(&mass), "{mass} of 25");
        }
    }

    #[test]
    fn noise_has_its_deviation() {
        let x = random::<f32>(&[500, 63], 1);
        let given = [("max_shift", Attribute::Int(0)), ("noise", Attribute::Float(0.25))];
        let y = numbers(&varied(&x, [7, 9], &given));
        let squares = y.iter().zip(numbers(&x)).map(|(y, x)| (y - x).powi(2)).sum::<f64>();
        let deviation = (squares / y.len() as f64).sqrt();
        assert!((deviation - 0.25).abs() < 0.01, "{deviation}");
    }
}
