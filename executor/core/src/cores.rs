//! Core indexes, handed out for whole-core requests.

use drawloom_model::MILLI;
use smallvec::SmallVec;

/// Indexes of cores, in rising order.
pub type Cores = SmallVec<[u32; 4]>;

/// The cores that no running attempt has for itself.
///
/// Attempts that ask for parts of cores share what is left over and get no index. Since the
/// thousandths are counted elsewhere, a whole-core request that fits always finds its cores.
pub(crate) struct CoreSet {
    free: Vec<u32>,
}

impl CoreSet {
    /// The set of these cores, with made-up indexes behind the last until there are `at_least`.
    pub(crate) fn new(mut cores: Vec<u32>, at_least: u64) -> Self {
        cores.sort_unstable();
        cores.dedup();
        while (cores.len() as u64) < at_least {
            cores.push(cores.last().map_or(0, |last| last + 1));
        }
        cores.reverse();
        CoreSet { free: cores }
    }

    /// Hands out the lowest free cores for a request of so many thousandths.
    pub(crate) fn take(&mut self, cpu_milli: u64) -> Cores {
        if !cpu_milli.is_multiple_of(MILLI) {
            return Cores::new();
        }
        let wanted = (cpu_milli / MILLI) as usize;
        let left = self.free.len().saturating_sub(wanted);
        self.free.drain(left..).rev().collect()
    }

    /// Takes back what [`CoreSet::take`] gave.
    pub(crate) fn give_back(&mut self, cores: &[u32]) {
        for core in cores {
            let place = self.free.partition_point(|free| free > core);
            self.free.insert(place, *core);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_cores_go_first_and_come_back() {
        let mut cores = CoreSet::new(vec![4, 2], 3);
        let first = cores.take(1000);
        assert_eq!(first.as_slice(), &[2]);
        assert_eq!(cores.take(500).as_slice(), &[] as &[u32]);
        assert_eq!(cores.take(2000).as_slice(), &[4, 5]);
        cores.give_back(&first);
        assert_eq!(cores.take(1000).as_slice(), &[2]);
    }
}
