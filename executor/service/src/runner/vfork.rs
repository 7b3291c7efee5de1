//! Starting a process without copying this one's page tables.
//!
//! `fork` copies what describes this process's memory, and then both take faults on every page that
//! either writes; with many threads and large objects that takes longer than a short process runs.
//! As `posix_spawn` does, the child here borrows this process's memory until it becomes another
//! program, while the thread that starts it is held (`CLONE_VM` and `CLONE_VFORK` of clone(2)). The
//! standard library does so too, but not where something is to be done in the child first.

use std::ffi::{CString, OsStr};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, BorrowedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;
use std::ptr;

use libc::{c_char, c_int, c_void, sigset_t};
use rustix::process::Pid;

use super::child::Confinement;

mod clone3;

/// The child's stack: it makes system calls only.
type Stack = [MaybeUninit<u128>];
const STACK_BYTES: usize = 64 << 10;
/// What runs scripts that do not tell their interpreter.
const SHELL: &std::ffi::CStr = c"/bin/sh";

/// Starts the command's program, confined, in a session of its own, with these descriptors as its
/// standard input, output and error. The command has a complete environment: nothing of this
/// process's is added. The caller waits for the process's end.
///
/// # Errors
/// There is no such program, it may not be run, or there are too many processes.
pub(super) fn spawn(
    command: &Command,
    confinement: &Confinement,
    standard: [BorrowedFd<'_>; 3],
) -> io::Result<Pid> {
    let mut program = Program::of(command)?;
    let standard = standard.map(|descriptor| descriptor.as_raw_fd());
    let mut stack = vec![MaybeUninit::<u128>::uninit(); STACK_BYTES / size_of::<u128>()];
    let parent = rustix::process::getpid();
    let mut birth =
        Birth { program: &mut program, confinement, parent, standard, is_prepared: true, error: 0 };
    let blocked = Blocked::all()?;
    let group = confinement.birthplace();
    // SAFETY: as below.
    let born = unsafe { clone3::clone3(group, &mut stack, &mut birth) };
    let born = born.or_else(|_| {
        birth.is_prepared = false;
        // SAFETY: `become_program` gets a valid `Birth`, which nobody else touches while this thread
        // is held, and runs on memory that is aligned for it and lives longer than it runs.
        let pid = unsafe {
            libc::clone(
                become_program,
                stack.as_mut_ptr_range().end.cast(),
                libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD,
                (&raw mut birth).cast(),
            )
        };
        check(pid).map(|()| pid)
    });
    drop(blocked);
    let pid = Pid::from_raw(born?).ok_or_else(|| io::Error::other("a process without a number"))?;
    // SAFETY: written by the child, if at all, which has ended or become another program.
    let error = unsafe { ptr::read_volatile(&raw const birth.error) };
    if error != 0 {
        let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
        return Err(io::Error::from_raw_os_error(error));
    }
    Ok(pid)
}

/// A command in the form that the system takes.
struct Program {
    /// Where its file may be, in the order in which they are tried.
    files: Vec<CString>,
    _arguments: Vec<CString>,
    _environment: Vec<CString>,
    directory: Option<CString>,
    /// Ends with a null pointer. The first is free: it is for the shell, which runs what is no
    /// program, and is followed by the program's own.
    argv: Vec<*const c_char>,
    envp: Vec<*const c_char>,
}

impl Program {
    fn of(command: &Command) -> io::Result<Self> {
        let name = command.get_program();
        let arguments = [name].into_iter().chain(command.get_args());
        let arguments = arguments.map(text).collect::<io::Result<Vec<_>>>()?;
        let mut environment = Vec::new();
        let mut path = None;
        for (variable, value) in command.get_envs() {
            let Some(value) = value else { continue };
            if variable == "PATH" {
                path = Some(value);
            }
            let mut entry = variable.to_owned();
            entry.push("=");
            entry.push(value);
            environment.push(text(&entry)?);
        }
        let directory = command.get_current_dir();
        let directory = directory.map(|directory| text(directory.as_os_str())).transpose()?;
        let argv = [ptr::null()].into_iter();
        let argv = argv.chain(arguments.iter().map(|text| text.as_ptr()));
        let argv = argv.chain([ptr::null()]).collect();
        let envp = environment.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect();
        Ok(Program {
            files: files(name, path)?,
            _arguments: arguments,
            _environment: environment,
            directory,
            argv,
            envp,
        })
    }
}

/// Where a program may be: a path as it is, a name in every directory of `PATH`.
fn files(name: &OsStr, path: Option<&OsStr>) -> io::Result<Vec<CString>> {
    if name.as_bytes().contains(&b'/') {
        return Ok(vec![text(name)?]);
    }
    let directories = path.map(std::env::split_paths).into_iter().flatten();
    directories.map(|directory| text(directory.join(name).as_os_str())).collect()
}

fn text(text: &OsStr) -> io::Result<CString> {
    CString::new(text.as_bytes()).map_err(|_| {
        io::Error::new(io::ErrorKind::InvalidInput, "a null character in what is to be run")
    })
}

/// What the child is told, and what it tells.
struct Birth<'a> {
    program: &'a mut Program,
    confinement: &'a Confinement,
    parent: Pid,
    standard: [RawFd; 3],
    /// Whether it was born in its control group and without handlers of signals.
    is_prepared: bool,
    /// Why it did not become the program; 0 where it did.
    error: c_int,
}

/// The child's whole life in this process's memory: system calls, and no allocation.
extern "C" fn become_program(birth: *mut c_void) -> c_int {
    // SAFETY: `spawn` gives a pointer to a `Birth` that is the child's alone now.
    let birth = unsafe { &mut *birth.cast::<Birth<'_>>() };
    let Err(error) = birth.run();
    birth.error = error.raw_os_error().unwrap_or(libc::EIO);
    // SAFETY: ends the child without running what this process does at its end.
    unsafe { libc::_exit(127) }
}

impl Birth<'_> {
    fn run(&mut self) -> io::Result<std::convert::Infallible> {
        if self.is_prepared {
            // The standard library ignores it, which programs do not expect.
            // SAFETY: the child's own table.
            unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        } else {
            forget_handlers();
        }
        for (number, descriptor) in (0..).zip(self.standard) {
            // None of them is 0, 1 or 2: those are taken in this process.
            check(
                // SAFETY: changes the child's own table of descriptors.
                unsafe { libc::dup2(descriptor, number) },
            )?;
        }
        if let Some(directory) = &self.program.directory {
            // SAFETY: a text that ends with a null character.
            check(unsafe { libc::chdir(directory.as_ptr()) })?;
        }
        self.confinement.confine(self.parent, self.is_prepared)?;
        Blocked::none()?;
        let mut error = io::Error::from_raw_os_error(libc::ENOENT);
        for file in 0..self.program.files.len() {
            let found = self.program.execute(file);
            // The search goes on where execvp(3) does.
            match found.raw_os_error() {
                Some(libc::ENOENT | libc::ENOTDIR | libc::ESTALE | libc::ENODEV) => {}
                Some(libc::EACCES) => error = found,
                _ => return Err(found),
            }
        }
        Err(error)
    }
}

impl Program {
    /// Becomes the program in one of the files; why not, where this returns.
    fn execute(&mut self, file: usize) -> io::Error {
        let Program { files, argv, envp, .. } = self;
        let file = &files[file];
        // SAFETY: texts that end with null characters, in lists that end with null pointers.
        unsafe { libc::execve(file.as_ptr(), argv.as_ptr().add(1), envp.as_ptr()) };
        let error = io::Error::last_os_error();
        if error.raw_os_error() == Some(libc::ENOEXEC) {
            // The script's path takes the place of its name.
            (argv[0], argv[1]) = (SHELL.as_ptr(), file.as_ptr());
            // SAFETY: as above.
            unsafe { libc::execve(SHELL.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
        }
        error
    }
}

/// Signals do what they do in a new process: this process's handlers would run in the memory that
/// both have.
fn forget_handlers() {
    for signal in 1..libc::SIGRTMAX() + 1 {
        // SAFETY: the child's own table, and places for the answers.
        unsafe {
            let mut action = MaybeUninit::<libc::sigaction>::zeroed();
            if libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) != 0 {
                continue;
            }
            let handler = action.assume_init_ref().sa_sigaction;
            // The standard library ignores this one, which programs do not expect.
            let is_ignored = handler == libc::SIG_IGN && signal != libc::SIGPIPE;
            if handler != libc::SIG_DFL && !is_ignored {
                action.assume_init_mut().sa_sigaction = libc::SIG_DFL;
                libc::sigaction(signal, action.as_ptr(), ptr::null_mut());
            }
        }
    }
}

/// All signals wait until this is dropped: a handler must not run in the child.
struct Blocked {
    before: sigset_t,
}

impl Blocked {
    fn all() -> io::Result<Self> {
        let mut all = MaybeUninit::<sigset_t>::uninit();
        let mut before = MaybeUninit::<sigset_t>::uninit();
        // SAFETY: both are places for a set; the calls fill them.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
            let error = libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
            if error != 0 {
                return Err(io::Error::from_raw_os_error(error));
            }
            Ok(Blocked { before: before.assume_init() })
        }
    }

    /// Nothing waits, in this thread.
    fn none() -> io::Result<()> {
        let mut none = MaybeUninit::<sigset_t>::uninit();
        // SAFETY: a place for a set, which the first call fills.
        let error = unsafe {
            libc::sigemptyset(none.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut())
        };
        if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: a set that the system gave.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, ptr::null_mut())
        };
    }
}

fn check(answer: c_int) -> io::Result<()> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::PermissionsExt as _;

    use rustix::process::{WaitOptions, waitpid};

    use super::*;
    use crate::cgroup::{Group, GroupLimits};

    /// What the program writes, and its exit code.
    fn run(command: &mut Command) -> io::Result<(String, Option<i32>)> {
        run_confined(command, &Confinement::default())
    }

    fn run_confined(
        command: &mut Command,
        confinement: &Confinement,
    ) -> io::Result<(String, Option<i32>)> {
        let null = fs::File::open("/dev/null")?;
        let out = tempfile::tempfile()?;
        let standard = [null.as_fd(), out.as_fd(), null.as_fd()];
        let pid = spawn(command, confinement, standard)?;
        let status = waitpid(Some(pid), WaitOptions::empty())?.expect("it was waited for").1;
        use std::io::{Read as _, Seek as _};
        let (mut text, mut out) = (String::new(), out);
        out.rewind()?;
        out.read_to_string(&mut text)?;
        Ok((text, status.exit_status()))
    }

    #[test]
    fn a_program_gets_its_arguments_its_variables_and_its_directory() {
        let place = tempfile::tempdir().expect("a place");
        let mut command = Command::new("sh");
        command.args(["-c", "echo \"$0 $X\"; pwd; exit 3", "a b"]).env_clear();
        command.env("PATH", "/nowhere:/usr/bin:/bin").env("X", "y").current_dir(place.path());
        let (text, code) = run(&mut command).expect("started");
        let place = place.path().canonicalize().expect("it is there");
        assert_eq!(text, format!("a b y\n{}\n", place.display()));
        assert_eq!(code, Some(3));
    }

    #[test]
    fn a_process_is_born_in_its_group() {
        let group = Group::create(GroupLimits::default());
        let born = group.as_ref().map(Group::entrances).unwrap_or_default();
        let Some(mut born) = born.into_iter().find(|entrance| entrance.birthplace.is_some()) else {
            eprintln!("no control group of version 2 can be made here");
            return;
        };
        // There is no way in but by birth.
        born.file = fs::File::open("/dev/null").expect("there is one").into();
        let confinement = Confinement { entrances: vec![born], ..Confinement::default() };
        let mut command = Command::new("/bin/cat");
        let (text, code) =
            run_confined(command.arg("/proc/self/cgroup"), &confinement).expect("started");
        assert_eq!(code, Some(0));
        assert!(text.contains(&crate::leftovers::prefix()), "{text}");
    }

    #[test]
    fn signals_are_as_in_a_new_process() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "trap '' USR1; grep -E 'Sig(Blk|Ign)' /proc/self/status"]);
        command.env("PATH", "/usr/bin:/bin");
        let (text, _) = run(&mut command).expect("started");
        let set = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            u64::from_str_radix(line.expect("told").trim(), 16).expect("a set")
        };
        // The shell ignores USR1, which is the tenth. The C library's own, 32 and 33, are inherited.
        assert_eq!((set("SigBlk:"), set("SigIgn:") & !(0b11 << 31)), (0, 1 << 9), "{text}");
    }

    #[test]
    fn a_script_without_an_interpreter_is_run_by_the_shell() {
        let place = tempfile::tempdir().expect("a place");
        let script = place.path().join("script");
        fs::write(&script, "echo \"script $1\"\n").expect("written");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("set");
        let (text, code) = run(Command::new(&script).arg("x")).expect("started");
        assert_eq!((text.as_str(), code), ("script x\n", Some(0)));
    }

    #[test]
    fn what_cannot_be_run_says_why() {
        let kind = |program: &str| {
            let error = run(Command::new(program).env("PATH", "/usr/bin")).expect_err(program);
            error.kind()
        };
        assert_eq!(kind("no-such-program"), io::ErrorKind::NotFound);
        assert_eq!(kind("/no/such/program"), io::ErrorKind::NotFound);
        assert_eq!(kind("/etc/passwd"), io::ErrorKind::PermissionDenied);
        let error = run(Command::new("true").env("PATH", "/bin").current_dir("/nowhere"));
        assert_eq!(error.expect_err("no directory").kind(), io::ErrorKind::NotFound);
    }
}
