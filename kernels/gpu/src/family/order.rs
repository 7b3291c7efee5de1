//! Sorting of keys, which sorts, scatters and permutations share.

use crate::argument::arguments;
use crate::builder::{Builder, module_of_size};
use crate::{Buffer, PlanError};

/// How many keys a block sorts in its own memory, and how many it makes of a merger.
const TILE: u64 = 1024;
const MERGED: u64 = 1024;

/// Lines of keys, one after the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Keys {
    pub(crate) buffer: Buffer,
    pub(crate) lines: u64,
    pub(crate) length: u64,
    /// 8 or 16.
    pub(crate) key_bytes: u64,
}

impl Keys {
    /// Sorts every line and keeps the first `wanted` keys of each, or a few more. Uses the memory of
    /// the keys as well.
    pub(crate) fn sort(self, builder: &mut Builder<'_>, wanted: u64) -> Result<Keys, PlanError> {
        let Keys { buffer, lines, length, key_bytes } = self;
        let tile = length.next_power_of_two().clamp(2, TILE);
        let tiles = length.div_ceil(tile);
        let mut width = tile.min(wanted);
        let last = (length - (tiles - 1) * tile).min(width);
        let mut runs = Keys { length: (tiles - 1) * width + last, ..self };
        let bytes = lines.saturating_mul(runs.length).saturating_mul(key_bytes);
        runs.buffer = builder.scratch(bytes);
        let mut other = buffer;
        let module = module_of_size("merge", key_bytes);
        let arguments =
            arguments![buffer, runs.buffer, length, tile as u32, tiles, width, runs.length];
        let threads = (tile / 2).clamp(32, 512) as u32;
        let shared = (tile * key_bytes) as u32;
        let blocks = lines.saturating_mul(tiles);
        builder.within_32_bits(&[blocks])?;
        builder.launch_as(&module, "sort_tiles", blocks, (threads, shared), arguments)?;
        while runs.length > width {
            let kept = (2 * width).min(wanted);
            let pairs = runs.length.div_ceil(2 * width);
            let last = (runs.length - (pairs - 1) * 2 * width).min(kept);
            let merged = Keys { buffer: other, length: (pairs - 1) * kept + last, ..runs };
            let blocks_of_pair = kept.div_ceil(MERGED);
            let blocks = pairs * blocks_of_pair;
            let arguments = arguments![
                runs.buffer,
                merged.buffer,
                runs.length,
                width,
                kept,
                merged.length,
                blocks_of_pair,
                blocks
            ];
            let blocks = lines.saturating_mul(blocks);
            builder.within_32_bits(&[blocks])?;
            builder.launch(&module, "merge_runs", blocks, arguments)?;
            other = runs.buffer;
            runs = merged;
            width = kept;
        }
        Ok(runs)
    }
}
