//! A device whose context is taken away under copies. In a process of its own: memory of a context that
//! is gone may be freed later, of which the simulated driver tells whoever asks next.

use std::path::Path;

use drawloom_cuda_sim::client::{Library, library_path};

const MIB: usize = 1 << 20;

/// As it happens to a device that hangs: others go on copying until they hear of it.
#[test]
fn a_context_that_is_reset_takes_no_memory_from_under_copies() {
    for (name, value) in [
        ("DRAWLOOM_SIM_JITTER_US", "1000"),
        ("DRAWLOOM_SIM_SEED", "5"),
        ("DRAWLOOM_SIM_ORDER", "1"),
    ] {
        // SAFETY: it is the only test, and nothing reads the environment before the library is loaded.
        unsafe { std::env::set_var(name, value) };
    }
    let path = library_path().expect("cargo builds the library beside the tests");
    Library::load(Path::new(&path)).expect("the library loads");
    for round in 0..3u8 {
        let device = drawloom_cuda::open(0).expect("a device");
        let data: Vec<u8> = (0..3 * MIB).map(|index| (index % 251) as u8 ^ round).collect();
        let (started, copying) = std::sync::mpsc::channel();
        let ends = std::thread::spawn(move || {
            let mut back = vec![0; data.len()];
            loop {
                let copied = device.upload(&data);
                let copied = copied.and_then(|there| device.download(&there, &mut back));
                if copied.is_err() {
                    return;
                }
                assert!(back == data);
                // Nobody listens any more when it has been reset.
                let _ = started.send(());
            }
        });
        copying.recv().expect("it copies");
        drawloom_cuda::reset(0).expect("it is reset");
        ends.join().expect("it hears of it");
    }
}
