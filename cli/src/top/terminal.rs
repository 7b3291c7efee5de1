//! A terminal that is ours for a while: a screen of its own, no cursor, keys as they are typed.
//!
//! It is given back whatever happens: when this is dropped, and before a panic is told.

use std::io::{self, Read as _};
use std::os::fd::AsFd;
use std::sync::{Mutex, Once, PoisonError};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::output;

/// A screen of its own, without the cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
/// To the first column of the first line.
const HOME: &str = "\x1b[H";
const CLEAR_LINE_END: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";

/// How the terminal was before, while it is ours.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// What was typed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Key {
    Quit,
    Other,
}

/// The terminal, for as long as this lives.
pub struct Terminal {
    keys: mpsc::Receiver<Key>,
    resized: Signal,
}

impl Terminal {
    /// Takes the terminal.
    ///
    /// # Errors
    /// The standard input or output is none.
    pub fn enter() -> io::Result<Terminal> {
        let resized = signal(SignalKind::window_change())?;
        let before = tcgetattr(io::stdin().as_fd())?;
        let mut ours = before.clone();
        // Signals stay as they are: Ctrl-C is heard as one.
        ours.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
        restore_before_panics_are_told();
        tcsetattr(io::stdin().as_fd(), OptionalActions::Flush, &ours)?;
        let terminal = Terminal { keys: read_keys(), resized };
        output::raw(ENTER)?;
        Ok(terminal)
    }

    /// Its width and height.
    pub fn size(&self) -> (usize, usize) {
        let size = tcgetwinsize(io::stdout().as_fd());
        match size.map(|size| (usize::from(size.ws_col), usize::from(size.ws_row))) {
            Ok((columns, rows)) if columns > 0 && rows > 0 => (columns, rows),
            _ => (80, 24),
        }
    }

    /// Shows lines from the top on.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn show(&self, lines: &[String]) -> io::Result<()> {
        let mut screen = String::from(HOME);
        // No line break after the last: that would scroll.
        screen.push_str(&lines.join(&format!("{CLEAR_LINE_END}\r\n")));
        screen.push_str(CLEAR_LINE_END);
        screen.push_str(CLEAR_BELOW);
        output::raw(&screen)
    }

    /// Waits for a key, or for another size, which counts as one.
    pub async fn next_key(&mut self) -> Key {
        tokio::select! {
            key = self.keys.recv() => match key {
                Some(key) => key,
                // Nobody types any more.
                None => std::future::pending().await,
            },
            _ = self.resized.recv() => Key::Other,
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back; once, however often it is asked.
fn restore() {
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(before) = before {
        // There is nobody left to tell where this fails.
        let _ = output::raw(LEAVE);
        let _ = tcsetattr(io::stdin().as_fd(), OptionalActions::Flush, &before);
    }
}

fn restore_before_panics_are_told() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            tell(panic);
        }));
    });
}

/// A thread that waits for keys; it ends with the process.
fn read_keys() -> mpsc::Receiver<Key> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || {
        for byte in io::stdin().lock().bytes() {
            let key = match byte {
                Ok(b'q' | b'Q' | 4) => Key::Quit,
                Ok(_) => Key::Other,
                Err(_) => return,
            };
            if sender.blocking_send(key).is_err() {
                return;
            }
        }
    });
    receiver
}
