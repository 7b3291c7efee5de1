//! Copies between host and device, and within the device.

use std::time::Instant;

use cudarc::driver::CudaSlice;

use super::{Bench, Figure, MeasureError, giga, timed};

impl Bench {
    pub(super) fn copies(&self) -> Result<Vec<Figure>, MeasureError> {
        let (bytes, repeats) = (self.effort.copy_bytes, self.effort.repeats);
        let stream = self.context.new_stream()?;
        let rate = |time| giga(bytes as f64 * f64::from(repeats), time);
        let data: Vec<u8> = (0..bytes).map(|place| (place * 7 + place / 251) as u8).collect();
        let mut there: CudaSlice<u8> = stream.alloc_zeros(bytes)?;
        let mut back = vec![0u8; bytes];

        let up = timed(&stream, repeats, || Ok(stream.memcpy_htod(&data, &mut there)?))?;
        let down = timed(&stream, repeats, || Ok(stream.memcpy_dtoh(&there, &mut back)?))?;
        same(&back, &data, "pageable copies")?;

        // Not write-combined: this is read, too.
        // SAFETY: written before it is read.
        let mut pinned = unsafe { self.context.alloc_pinned_with_flags::<u8>(bytes, 0) }?;
        pinned.as_mut_slice()?.copy_from_slice(&data);
        let pinned_up = timed(&stream, repeats, || Ok(stream.memcpy_htod(&pinned, &mut there)?))?;
        pinned.as_mut_slice()?.fill(0);
        let pinned_down = timed(&stream, repeats, || Ok(stream.memcpy_dtoh(&there, &mut pinned)?))?;
        same(pinned.as_slice()?, &data, "pinned copies")?;

        let mut other: CudaSlice<u8> = stream.alloc_zeros(bytes)?;
        let within = timed(&stream, repeats, || Ok(stream.memcpy_dtod(&there, &mut other)?))?;
        stream.memcpy_dtoh(&other, &mut back)?;
        stream.synchronize()?;
        same(&back, &data, "copies within the device")?;

        let mut buffer = self.device.upload(&data)?;
        let start = Instant::now();
        for _ in 0..repeats {
            buffer = self.device.upload(&data)?;
        }
        // Uploads return before they end; who reads the last one waits for all.
        self.device.download(&buffer, &mut [0])?;
        let ours_up = start.elapsed();
        back.fill(0);
        let ours_down =
            timed(&stream, repeats, || Ok(self.device.download(&buffer, &mut back)?))?;
        same(&back, &data, "copies as executors make them")?;

        let limit = self.limits.bus_bytes_per_second.map(|rate| rate / 1e9);
        let bus =
            self.limits.bus.clone().unwrap_or_else(|| "NVML does not tell the bus".to_owned());
        let copy = |name: &str, time| Figure::new(name, rate(time), "GB/s", bus.clone()).of(limit);
        Ok(vec![
            copy("host to device, pageable", up),
            copy("host to device, pinned", pinned_up),
            copy("host to device, as executors do", ours_up),
            copy("device to host, pageable", down),
            copy("device to host, pinned", pinned_down),
            copy("device to host, as executors do", ours_down),
            Figure::new("copy within the device", 2.0 * rate(within), "GB/s", "read and written")
                .of(self.limits.memory_bytes_per_second.map(|rate| rate / 1e9)),
        ])
    }
}

fn same(got: &[u8], expected: &[u8], what: &str) -> Result<(), MeasureError> {
    match got.iter().zip(expected).position(|(got, expected)| got != expected) {
        None => Ok(()),
        Some(place) => {
            Err(MeasureError::Wrong(format!("{what}: byte {place} is not what was copied")))
        }
    }
}
