//! Platforms from StarPU's performance models, as JSON: one node with cores and GPUs, the mean times
//! of kernels on each, and the bandwidth and latency between the memories.
//!
//! One core is set aside for each GPU, as StarPU does, which drives it. Kernels of Cholesky and LU
//! factorisations are measured. Those of QR are not: they are modelled as taking as much longer than a
//! measured kernel of the same nature as they have more operations.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use drawloom_plan::Link;
use serde::Deserialize;

use super::{Group, Platform};
use crate::SimError;
use crate::workload::read_source;

#[derive(Deserialize)]
struct Model {
    machine: String,
    cpus: u32,
    cuda: u32,
    #[serde(rename = "bandwidth_MB_per_s")]
    bandwidth: Vec<Vec<f64>>,
    latency_us: Vec<Vec<f64>>,
    kernels: BTreeMap<String, Vec<OnArch>>,
}

#[derive(Deserialize)]
struct OnArch {
    arch: String,
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    size_bytes: f64,
    mean_us: f64,
}

/// A kernel of ours, the model that has it, and the bytes of its operands for each number of a tile.
const MEASURED: [(&str, &str, f64); 8] = [
    ("potrf", "chol_model_potrf", 4.0),
    ("trsm", "chol_model_trsm", 8.0),
    ("syrk", "chol_model_syrk", 8.0),
    ("gemm", "chol_model_gemm", 12.0),
    ("getrf", "starpu_slu_lu_model_getrf", 4.0),
    ("trsm_ll", "starpu_slu_lu_model_trsm_ll", 8.0),
    ("trsm_ru", "starpu_slu_lu_model_trsm_ru", 8.0),
    ("lu_gemm", "starpu_slu_lu_model_gemm", 12.0),
];

/// A kernel of QR, the measured kernel of the same nature, and how many times its operations it has,
/// for tiles of b × b: geqrt 4/3 b³ and tsqrt 2 b³ beside getrf's 2/3 b³; ormqr 2 b³ and tsmqr 4 b³
/// beside gemm's 2 b³.
const MODELLED: [(&str, &str, f64); 4] = [
    ("geqrt", "getrf", 2.0),
    ("tsqrt", "getrf", 3.0),
    ("ormqr", "lu_gemm", 1.0),
    ("tsmqr", "lu_gemm", 2.0),
];

/// Whether a kernel's times are modelled, and not measured.
pub(crate) fn is_modelled(kernel: &str) -> bool {
    MODELLED.iter().any(|(name, _, _)| *name == kernel)
}

/// Smaller footprints are artefacts of the machines' set-up.
const LEAST_TILE: u32 = 64;

/// The file of a model: the path itself, or the machine's name in a folder `perfmodels/starpu` here,
/// above, or beside one above.
pub(super) fn find(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(name);
    if path.is_file() {
        return Some(path);
    }
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric());
    let here = std::env::current_dir().ok().filter(|_| is_name)?;
    let model = format!("perfmodels/starpu/{name}.json");
    here.ancestors().find_map(|above| {
        let beside = std::fs::read_dir(above).into_iter().flatten().flatten();
        let mut beside: Vec<PathBuf> = beside.map(|entry| entry.path()).collect();
        beside.sort();
        let folders = std::iter::once(above.to_owned()).chain(beside);
        let files =
            folders.flat_map(|folder| [folder.join(&model), folder.join("data").join(&model)]);
        files.into_iter().find(|file| file.is_file())
    })
}

pub(super) fn read(path: &Path) -> Result<Platform, SimError> {
    let bytes = read_source(path)?;
    let model: Model = serde_json::from_slice(&bytes)
        .map_err(|error| SimError::bad(path, "", format!("no StarPU model: {error}")))?;
    let places = model.cuda + 1;
    for (field, rows) in
        [("bandwidth_MB_per_s", &model.bandwidth), ("latency_us", &model.latency_us)]
    {
        let is_square =
            rows.len() == places as usize && rows.iter().all(|row| row.len() == places as usize);
        if !is_square {
            let message = format!("no square of {places}: host and {} GPUs", model.cuda);
            return Err(SimError::bad(path, field, message));
        }
    }
    let cores = model.cpus.saturating_sub(model.cuda).max(1);
    let mut groups = vec![Group { kind: 0, place: 0, count: cores }];
    groups.extend((1..places).map(|gpu| Group { kind: gpu, place: gpu, count: 1 }));
    let mut kinds = vec!["core".to_owned()];
    kinds.extend((0..model.cuda).map(|gpu| format!("cuda{gpu}")));
    Ok(Platform {
        name: model.machine.clone(),
        groups,
        kinds,
        places,
        links: links(path, &model, places)?,
        home: 0,
        measured: measured(&model),
        modelled: Some("kernels of QR: by their operations, from getrf and gemm"),
    })
}

fn links(path: &Path, model: &Model, places: u32) -> Result<Vec<(u32, u32, Link)>, SimError> {
    let mut links = Vec::new();
    for from in 0..places {
        for to in (0..places).filter(|to| *to != from) {
            let megabytes = model.bandwidth[from as usize][to as usize];
            let latency = model.latency_us[from as usize][to as usize];
            if !megabytes.is_finite() || megabytes <= 0.0 || !latency.is_finite() || latency < 0.0 {
                let field = format!("bandwidth_MB_per_s[{from}][{to}]");
                let message = format!("{megabytes} MB/s after {latency} us");
                return Err(SimError::bad(path, field, message));
            }
            let seconds_per_byte = 1.0 / (megabytes * 1e6);
            links.push((from, to, Link { latency: latency * 1e-6, seconds_per_byte }));
        }
    }
    Ok(links)
}

/// Seconds of each kernel and tile size, on cores and on each GPU. A GPU of which nothing was
/// measured is taken to be like the first.
fn measured(model: &Model) -> BTreeMap<(&'static str, u32), Vec<f64>> {
    let mut found: BTreeMap<(&'static str, u32), Vec<f64>> = BTreeMap::new();
    for (kernel, name, bytes) in MEASURED {
        for on in model.kernels.get(name).into_iter().flatten() {
            let Some(kind) = kind_of(&on.arch).filter(|kind| *kind <= model.cuda as usize) else {
                continue;
            };
            for entry in &on.entries {
                let tile = (entry.size_bytes / bytes).sqrt().round();
                if tile >= f64::from(LEAST_TILE) && entry.mean_us.is_finite() && entry.mean_us > 0.0
                {
                    let kinds = model.cuda as usize + 1;
                    let row = found.entry((kernel, tile as u32));
                    row.or_insert_with(|| vec![f64::INFINITY; kinds])[kind] = entry.mean_us * 1e-6;
                }
            }
        }
    }
    for row in found.values_mut() {
        let like = row.iter().skip(1).copied().find(|seconds| seconds.is_finite());
        for seconds in row.iter_mut().skip(1).filter(|seconds| seconds.is_infinite()) {
            *seconds = like.unwrap_or(f64::INFINITY);
        }
    }
    for (kernel, like, factor) in MODELLED {
        let rows: Vec<(u32, Vec<f64>)> = found
            .iter()
            .filter(|((name, _), _)| *name == like)
            .map(|((_, tile), row)| (*tile, row.iter().map(|seconds| seconds * factor).collect()))
            .collect();
        found.extend(rows.into_iter().map(|(tile, row)| ((kernel, tile), row)));
    }
    found
}

/// 0 for a core, 1 for the first GPU, and so on.
fn kind_of(arch: &str) -> Option<usize> {
    if arch == "cpu0_impl0" || arch == "cpu0_cores1_impl0" {
        return Some(0);
    }
    let gpu = arch.strip_prefix("cuda")?.strip_suffix("_impl0")?;
    gpu.parse::<usize>().ok().map(|gpu| gpu + 1)
}
