//! Reductions, scans and histograms.

use drawloom_model::Attribute;
use drawloom_model::DType::{BF16, F16, F32, F64, I32, I64, U8};

use super::{Calls, NUMBERS, float, int, ints, text};
use crate::suite::compare::{EXACT, SUM};
use crate::suite::values::tensor;

impl Calls {
    pub(super) fn reductions(&mut self) {
        const CASES: [(&[u64], &[i64]); 14] = [
            (&[], &[]),
            (&[5], &[]),
            (&[5], &[0]),
            (&[10_007], &[0]),
            (&[1, 7, 1], &[0, 2]),
            (&[300, 50], &[0]),
            (&[300, 50], &[1]),
            (&[500, 3], &[1]),
            (&[3, 5000], &[0]),
            (&[3, 5000], &[1]),
            (&[2, 9000, 2], &[1]),
            (&[4, 5, 6, 7], &[0, 2]),
            (&[4, 5, 6, 7], &[1, 2]),
            (&[2, 0, 3], &[1]),
        ];
        for dtype in NUMBERS {
            for (shape, axes) in CASES {
                let given = [("axes", ints(axes)), ("keep_dims", Attribute::Bool(axes.len() == 2))];
                for kernel in ["sum", "max", "min"] {
                    let x = self.random(dtype, shape);
                    self.add(kernel, &given, vec![x], SUM);
                }
                let near_one = match dtype {
                    U8 | I32 | I64 => self.whole(dtype, shape, 1, 3),
                    _ => tensor(dtype, shape, &vec![1.0; shape.iter().product::<u64>() as usize]),
                };
                self.add("prod", &given, vec![near_one], SUM);
                if matches!(dtype, F16 | BF16 | F32 | F64) {
                    let x = self.random(dtype, shape);
                    self.add("mean", &given, vec![x.clone()], SUM);
                    self.add("variance", &given, vec![x.clone()], SUM);
                    let more = [&given[..], &[("ddof", int(1))]].concat();
                    self.add("variance", &more, vec![x], SUM);
                }
            }
            for (shape, axis) in [
                (&[1][..], 0),
                (&[9], -1),
                (&[10_007], 0),
                (&[40, 30], 0),
                (&[40, 30], 1),
                (&[3, 0], 0),
                (&[3, 0], 1),
                (&[2, 3000, 3], 1),
            ] {
                for kernel in ["argmax", "argmin"] {
                    let x = self.whole(dtype, shape, 0, 9);
                    self.add(kernel, &[("axis", int(axis))], vec![x], EXACT);
                }
            }
            for kernel in ["max", "min", "argmax", "argmin"] {
                let x = self.wild(dtype, &[30, 40]);
                let name = if kernel.len() > 3 { ("axis", int(1)) } else { ("axes", ints(&[1])) };
                self.add(kernel, &[name], vec![x], EXACT);
                self.without_reference();
            }
        }
    }

    pub(super) fn scans(&mut self) {
        for dtype in NUMBERS {
            for op in ["sum", "prod", "max", "min"] {
                for (way, (shape, axis)) in [
                    (&[7][..], 0),
                    (&[0, 3], 0),
                    (&[3, 0], 0),
                    (&[1, 1, 1], 1),
                    (&[5000], 0),
                    (&[3, 1100], 1),
                    (&[3, 500, 2], 1),
                    (&[30, 20], 0),
                    (&[30, 20], 1),
                    (&[], -1),
                ]
                .into_iter()
                .enumerate()
                {
                    let x = match (op, dtype) {
                        ("prod", F16 | BF16 | F32 | F64) => {
                            tensor(dtype, shape, &vec![1.0; shape.iter().product::<u64>() as usize])
                        }
                        _ => self.random(dtype, shape),
                    };
                    let given = [
                        ("op", text(op)),
                        ("axis", int(axis)),
                        ("exclusive", Attribute::Bool(way % 2 == 1)),
                        ("reverse", Attribute::Bool(way % 3 == 1)),
                    ];
                    self.add("scan", &given, vec![x], SUM);
                }
            }
            for bins in [1, 17, 5000] {
                for shape in [&[0][..], &[1], &[2003]] {
                    let x = self.wild(dtype, shape);
                    let given = [("bins", int(bins)), ("low", float(-1.5)), ("high", float(20.0))];
                    self.add("histogram", &given, vec![x], EXACT);
                    self.without_reference();
                }
            }
        }
    }
}
