//! Task graphs by formula: `cholesky:N:B`, `lu:N:B`, `qr:N:B` on N × N tiles of B × B numbers in
//! single precision, `montage:N`, `random:N[:SEED]`.

use std::path::Path;

use super::{Cost, File, Task, Workload};
use crate::SimError;

/// More tiles along one side than anybody measures: a million tasks and more.
const TILES_LIMIT: u32 = 200;
const TASKS_LIMIT: u32 = 5_000_000;
/// Bytes of a number in single precision.
const NUMBER_BYTES: f64 = 4.0;

/// The workload of a generator; nothing where the source does not name one.
pub(super) fn generate(source: &str) -> Result<Option<Workload>, SimError> {
    let mut parts = source.split(':');
    let name = parts.next().unwrap_or_default();
    let numbers: Vec<&str> = parts.collect();
    let number = |index: usize, what: &str, most: u32| -> Result<u32, SimError> {
        let text = numbers.get(index).copied().unwrap_or_default();
        let number = text.parse::<u32>().ok().filter(|number| (1..=most).contains(number));
        number.ok_or_else(|| {
            let message = format!("{text:?} where {what} is due, from 1 to {most}");
            SimError::bad(Path::new(source), "", message)
        })
    };
    let most = match name {
        "cholesky" | "lu" | "qr" | "random" => 2,
        "montage" => 1,
        _ => return Ok(None),
    };
    if numbers.is_empty() {
        return Ok(None); // A file of that name.
    }
    if numbers.len() > most {
        return Err(SimError::bad(Path::new(source), "", format!("more than {most} number(s)")));
    }
    let mut workload = match name {
        "montage" => montage(number(0, "the number of images", TASKS_LIMIT / 8)?),
        "random" => {
            let seed = if numbers.len() > 1 { number(1, "a seed", u32::MAX)? } else { 1 };
            random(number(0, "the number of tasks", TASKS_LIMIT)?, seed)
        }
        _ => {
            let tiles = number(0, "the number of tiles along a side", TILES_LIMIT)?;
            let tile = number(1, "the size of a tile", 1 << 20)?;
            let mut tiled = Tiled::new(tiles, tile);
            match name {
                "cholesky" => cholesky(&mut tiled),
                "lu" => lu(&mut tiled),
                _ => qr(&mut tiled),
            }
            tiled.workload
        }
    };
    source.clone_into(&mut workload.name);
    Ok(Some(workload))
}

/// A matrix of tiles, on which kernels work one after another.
struct Tiled {
    workload: Workload,
    tiles: u32,
    tile: u32,
    /// The file with the latest version of each tile, where a task has made one.
    latest: Vec<Option<u32>>,
}

impl Tiled {
    fn new(tiles: u32, tile: u32) -> Self {
        let latest = vec![None; (tiles * tiles) as usize];
        Tiled { workload: Workload::default(), tiles, tile, latest }
    }

    /// A kernel that reads some tiles and changes others.
    fn run(&mut self, kernel: &'static str, reads: &[(u32, u32)], changes: &[(u32, u32)]) {
        let index = |(row, column): &(u32, u32)| (row * self.tiles + column) as usize;
        let number = self.workload.tasks.len() as u32;
        let inputs = reads.iter().chain(changes).filter_map(|tile| self.latest[index(tile)]);
        let inputs: Vec<u32> = inputs.collect();
        let changed: Vec<usize> = changes.iter().map(index).collect();
        let bytes = NUMBER_BYTES * f64::from(self.tile) * f64::from(self.tile);
        for tile in changed {
            self.latest[tile] = Some(self.workload.files.len() as u32);
            self.workload.files.push(File { bytes, maker: Some(number) });
        }
        self.workload.tasks.push(Task {
            name: format!("{kernel}-{number}"),
            cost: Cost::Measured { kernel, tile: self.tile },
            inputs,
            after: Vec::new(),
        });
    }
}

/// Right-looking tiled Cholesky factorisation: N(N+1)(N+2)/6 tasks.
fn cholesky(tiled: &mut Tiled) {
    for k in 0..tiled.tiles {
        tiled.run("potrf", &[], &[(k, k)]);
        for m in k + 1..tiled.tiles {
            tiled.run("trsm", &[(k, k)], &[(m, k)]);
        }
        for m in k + 1..tiled.tiles {
            tiled.run("syrk", &[(m, k)], &[(m, m)]);
            for n in k + 1..m {
                tiled.run("gemm", &[(m, k), (n, k)], &[(m, n)]);
            }
        }
    }
}

/// Right-looking tiled LU factorisation without pivots.
fn lu(tiled: &mut Tiled) {
    for k in 0..tiled.tiles {
        tiled.run("getrf", &[], &[(k, k)]);
        for n in k + 1..tiled.tiles {
            tiled.run("trsm_ll", &[(k, k)], &[(k, n)]);
        }
        for m in k + 1..tiled.tiles {
            tiled.run("trsm_ru", &[(k, k)], &[(m, k)]);
        }
        for m in k + 1..tiled.tiles {
            for n in k + 1..tiled.tiles {
                tiled.run("lu_gemm", &[(m, k), (k, n)], &[(m, n)]);
            }
        }
    }
}

/// Tiled QR factorisation by a flat tree: Buttari et al., "A class of parallel tiled linear algebra
/// algorithms for multicore architectures", Parallel Computing 35(1), 2009.
fn qr(tiled: &mut Tiled) {
    for k in 0..tiled.tiles {
        tiled.run("geqrt", &[], &[(k, k)]);
        for n in k + 1..tiled.tiles {
            tiled.run("ormqr", &[(k, k)], &[(k, n)]);
        }
        for m in k + 1..tiled.tiles {
            tiled.run("tsqrt", &[], &[(k, k), (m, k)]);
            for n in k + 1..tiled.tiles {
                tiled.run("tsmqr", &[(m, k)], &[(k, n), (m, n)]);
            }
        }
    }
}

/// A graph in the shape of Montage's: each image is projected, neighbours' differences are fitted, one
/// model corrects all, and the corrected images make the mosaic. Six tasks for each image.
fn montage(images: u32) -> Workload {
    const IMAGE_BYTES: f64 = 4e6;
    const TABLE_BYTES: f64 = 1e3;
    let mut workload = Workload::default();
    let mut add = |name: String, seconds: f64, inputs: Vec<u32>, bytes: f64| -> u32 {
        let number = workload.tasks.len() as u32;
        let (cost, after) = (Cost::OnCore(seconds), Vec::new());
        workload.tasks.push(Task { name, cost, inputs, after });
        workload.files.push(File { bytes, maker: Some(number) });
        number // Files are numbered as their makers.
    };
    let projected: Vec<u32> =
        (0..images).map(|i| add(format!("project-{i}"), 12.0, vec![], IMAGE_BYTES)).collect();
    let mut fits = Vec::new();
    for (index, image) in projected.iter().enumerate() {
        for step in 1..=3 {
            if let Some(other) = projected.get(index + step) {
                let name = format!("diff-fit-{index}-{step}");
                fits.push(add(name, 8.0, vec![*image, *other], TABLE_BYTES));
            }
        }
    }
    let joined = add("concat-fit".into(), 1.0 + 0.001 * f64::from(images), fits, TABLE_BYTES);
    let model = add("background-model".into(), 2.0, vec![joined], TABLE_BYTES);
    let corrected: Vec<u32> = projected
        .iter()
        .enumerate()
        .map(|(i, image)| add(format!("background-{i}"), 4.0, vec![*image, model], IMAGE_BYTES))
        .collect();
    let mosaic_bytes = IMAGE_BYTES * f64::from(images);
    add("mosaic".into(), 5.0 + 0.05 * f64::from(images), corrected, mosaic_bytes);
    workload
}

/// Layers of a random number of tasks, each of which takes files of up to three tasks of the layer
/// before. Times and sizes are uniform in their logarithm, over two decades.
fn random(count: u32, seed: u32) -> Workload {
    let mut random = fastrand::Rng::with_seed(u64::from(seed));
    let mut workload = Workload::default();
    let widest = (f64::from(count).sqrt().ceil() as u32 * 2).max(2);
    let mut before = 0..0u32;
    while (workload.tasks.len() as u32) < count {
        let first = workload.tasks.len() as u32;
        let layer = random.u32(1..=widest).min(count - first);
        for number in first..first + layer {
            let mut inputs = Vec::new();
            if !before.is_empty() {
                for _ in 0..random.u32(1..=3) {
                    let file = random.u32(before.clone());
                    if !inputs.contains(&file) {
                        inputs.push(file);
                    }
                }
            }
            let seconds = 0.1 * 100f64.powf(random.f64());
            let bytes = 1e6 * 100f64.powf(random.f64());
            workload.files.push(File { bytes, maker: Some(number) });
            let (name, cost) = (format!("t{number}"), Cost::OnCore(seconds));
            workload.tasks.push(Task { name, cost, inputs, after: Vec::new() });
        }
        before = first..first + layer;
    }
    workload
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factorisations_have_as_many_tasks_as_their_formulas_say() {
        let tasks = |source: &str| {
            let workload = generate(source).expect("sound").expect("a generator");
            workload.tasks.len()
        };
        assert_eq!(tasks("cholesky:10:960"), 10 * 11 * 12 / 6);
        assert_eq!(tasks("lu:10:960"), 10 * 11 * 21 / 6);
        assert_eq!(tasks("qr:10:960"), 10 * 11 * 21 / 6);
        assert_eq!(tasks("random:1000"), 1000);
        assert_eq!(tasks("montage:10"), 10 + 24 + 2 + 10 + 1);
    }

    #[test]
    fn wrong_numbers_are_told() {
        for source in ["cholesky:0:960", "cholesky:8", "lu:8:960:1", "montage:x", "random:-1"] {
            let error = generate(source).expect_err(source).to_string();
            assert!(error.starts_with(source), "{error}");
        }
        assert_eq!(generate("elsewhere/graph.json").expect("no generator"), None);
    }
}
