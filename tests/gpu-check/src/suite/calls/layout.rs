//! Elements that move, and rows by their indices.

use drawloom_model::DType::{I32, I64};

use super::{Calls, FLOATS, NUMBERS, int, ints};
use crate::suite::compare::{EXACT, SUM};
use crate::suite::values::tensor;

impl Calls {
    pub(super) fn layouts(&mut self) {
        for dtype in NUMBERS {
            for (shape, axis, start, stop) in [
                (&[10][..], 0, 2, 9),
                (&[6, 7], 1, 3, 5),
                (&[6, 8], 0, -4, -1),
                (&[3, 4, 5], 1, 1, 1),
            ] {
                let x = self.random(dtype, shape);
                let given = [("axis", int(axis)), ("start", int(start)), ("stop", int(stop))];
                self.add("slice", &given, vec![x], EXACT);
            }
            for axis in [0, 1, -1] {
                let shapes: [[u64; 3]; 3] = [[2, 3, 4]; 3];
                let parts = shapes.into_iter().enumerate().map(|(part, mut shape)| {
                    shape[if axis < 0 { 2 } else { axis as usize }] = part as u64 * 3;
                    self.random(dtype, &shape)
                });
                let parts = parts.collect();
                self.add("concat", &[("axis", int(axis))], parts, EXACT);
            }
            for shape in [&[0, 3][..], &[35, 3], &[1]] {
                let x = self.random(dtype, shape);
                self.add(
                    "reshape",
                    &[("shape", ints(&[shape.iter().product::<u64>() as i64]))],
                    vec![x],
                    EXACT,
                );
            }
            for perm in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [2, 0, 1], [0, 2, 1]] {
                for shape in [[40, 5, 33], [3, 4, 2]] {
                    let x = self.random(dtype, &shape);
                    self.add("transpose", &[("perm", ints(&perm))], vec![x], EXACT);
                }
            }
            for shape in [&[][..], &[0, 3], &[1, 5], &[70, 45], &[2, 3, 2, 3, 2]] {
                let x = self.random(dtype, shape);
                self.add("transpose", &[], vec![x], EXACT);
            }
            for (shape, before, after) in [
                (&[2, 2][..], &[1, 0][..], &[0, 2][..]),
                (&[4, 3, 5], &[0, 0, 7], &[2, 0, 1]),
                (&[], &[], &[]),
                (&[0, 3], &[1, 0], &[1, 0]),
                (&[9, 4], &[0, 0], &[0, 0]),
            ] {
                let x = self.random(dtype, shape);
                let given = [("before", ints(before)), ("after", ints(after)), ("value", int(9))];
                self.add("pad", &given, vec![x], EXACT);
            }
        }
    }

    pub(super) fn rows_by_index(&mut self) {
        for (dtype, index) in NUMBERS.into_iter().flat_map(|dtype| [(dtype, I32), (dtype, I64)]) {
            for (rows, row, updates) in [
                (5, &[3][..], &[7][..]),
                (40, &[2, 2], &[10, 30]),
                (3, &[16], &[0]),
                (1, &[], &[5]),
                (4, &[0], &[3]),
            ] {
                let table: Vec<u64> = [&[rows][..], row].concat();
                let (table, indices) =
                    (self.random(dtype, &table), self.whole(index, updates, 0, rows as i64 - 1));
                self.add("gather", &[], vec![table.clone(), indices.clone()], EXACT);
                let more: Vec<u64> = [updates, row].concat();
                let more = self.random(dtype, &more);
                let inputs = vec![table, indices, more];
                self.add("scatter", &[], inputs.clone(), EXACT);
                self.add("scatter_add", &[], inputs, SUM);
            }
            for kernel in ["gather", "scatter", "scatter_add"] {
                let beyond = tensor(index, &[3], &[0.0, 4.0, -1.0]);
                let mut inputs = vec![self.random(dtype, &[4, 2]), beyond];
                if kernel != "gather" {
                    inputs.push(self.random(dtype, &[3, 2]));
                }
                self.add(kernel, &[], inputs, EXACT);
            }
        }
        for (dtype, index) in FLOATS.into_iter().flat_map(|dtype| [(dtype, I32), (dtype, I64)]) {
            for (shape, rows, width) in [
                (&[7][..], 5, 3),
                (&[2, 3], 4, 1),
                (&[], 2, 9),
                (&[1500], 40, 2),
                (&[0], 3, 2),
                (&[4], 3, 0),
            ] {
                let indices = self.whole(index, shape, 0, rows - 1);
                let table = self.random(dtype, &[rows as u64, width]);
                self.add("embedding", &[], vec![table, indices.clone()], EXACT);
                let dy = self.random(dtype, &[shape, &[width]].concat());
                self.add("embedding_grad", &[("rows", int(rows))], vec![indices, dy], SUM);
            }
            let inputs = vec![tensor(index, &[2], &[0.0, -7.0]), self.random(dtype, &[2, 3])];
            self.add("embedding_grad", &[("rows", int(5))], inputs, EXACT);
        }
    }
}
