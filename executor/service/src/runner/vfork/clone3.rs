//! clone3(2), for which the C library has no function. What it can and clone(2) cannot: a process is
//! born in its control group, where one that joins later makes the kernel wait until no other is
//! born or ends, which takes milliseconds; and it is born without this process's signal handlers.

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

use super::{Birth, Stack};

const CLEAR_SIGHAND: u64 = 0x1_0000_0000;
const INTO_CGROUP: u64 = 0x2_0000_0000;

/// Makes a process that shares this one's memory and holds this thread, as `clone` in
/// [`super::spawn`] does, as a member of the control group, if there is one; its number.
///
/// # Errors
/// It cannot be done: a kernel before Linux 5.7, a sandbox that knows no clone3, a group that may
/// not be entered. Nothing was made.
///
/// # Safety
/// Nobody else uses the stack and the birth while the process is not another program yet.
pub(super) unsafe fn clone3(
    group: Option<BorrowedFd<'_>>,
    stack: &mut Stack,
    birth: &mut Birth<'_>,
) -> io::Result<i32> {
    // SAFETY: plain numbers, of which zero is "not set".
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = (libc::CLONE_VM | libc::CLONE_VFORK) as u64 | CLEAR_SIGHAND;
    arguments.exit_signal = libc::SIGCHLD as u64;
    arguments.stack = stack.as_mut_ptr() as u64;
    arguments.stack_size = size_of_val(stack) as u64;
    if let Some(group) = group {
        arguments.flags |= INTO_CGROUP;
        arguments.cgroup = group.as_raw_fd() as u64;
    }
    // SAFETY: the caller's promise.
    let answer = unsafe { system_call(&arguments, birth) };
    if answer < 0 {
        return Err(io::Error::from_raw_os_error(i32::try_from(-answer).unwrap_or(libc::EIO)));
    }
    i32::try_from(answer).map_err(io::Error::other)
}

/// The system call: a process's number, or a negative error. The new process goes on at its own
/// stack, so it must not return from here; it calls what it is to do.
#[cfg(target_arch = "x86_64")]
unsafe fn system_call(arguments: &libc::clone_args, birth: &mut Birth<'_>) -> i64 {
    let answer: i64;
    // SAFETY: in this process it is a system call, which spoils the registers that are named; the
    // new one has a stack of its own, aligned as a call wants it, and never comes back.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call {child}",
            "ud2",
            "2:",
            child = sym super::become_program,
            inlateout("rax") libc::SYS_clone3 => answer,
            in("rdi") &raw const *arguments,
            in("rsi") size_of::<libc::clone_args>(),
            in("r12") &raw mut *birth,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    answer
}

/// As above.
#[cfg(target_arch = "aarch64")]
unsafe fn system_call(arguments: &libc::clone_args, birth: &mut Birth<'_>) -> i64 {
    let answer: i64;
    // SAFETY: as above.
    unsafe {
        std::arch::asm!(
            "svc #0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x0, x20",
            "bl {child}",
            "brk #1",
            "2:",
            child = sym super::become_program,
            inlateout("x0") &raw const *arguments => answer,
            in("x1") size_of::<libc::clone_args>(),
            in("x8") libc::SYS_clone3,
            in("x20") &raw mut *birth,
        );
    }
    answer
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
unsafe fn system_call(_: &libc::clone_args, _: &mut Birth<'_>) -> i64 {
    -i64::from(libc::ENOSYS)
}
