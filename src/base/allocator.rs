//! What a refusal of memory means: the process ends with a message and exit code 1, as any failure does, instead of aborting.
//!
//! Rust hands a refusal to whoever asked only where the asking can be refused, as for weights and activations (`models::room`), and aborts
//! everywhere else, before any code of ours runs. So the allocator itself looks at every answer of the system's. What a run has finished is in
//! the store by then, and the record of one that ended like this is found by its lock.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

// musl's own allocator has threads wait for each other: a training of `tiny.toml` takes 2.6 times as long with it.
#[cfg(target_env = "musl")]
use mimalloc::MiMalloc as System;
#[cfg(not(target_env = "musl"))]
use std::alloc::System;

thread_local! {
    /// True while this thread asks for what may be refused.
    static REFUSABLE: Cell<bool> = const { Cell::new(false) };
}

/// Lets `ask` hear that there is no memory.
pub fn refusable<T>(ask: impl FnOnce() -> T) -> T {
    let before = REFUSABLE.replace(true);
    let answer = ask();
    REFUSABLE.set(before);
    answer
}

/// The system's allocator, or mimalloc in its place, which ends the process where it has nothing left.
struct OrEnd;

#[global_allocator]
static ALLOCATOR: OrEnd = OrEnd;

#[expect(unsafe_code, reason = "an allocator is unsafe by its nature; this one passes all on")]
// SAFETY: everything is the system allocator's own answer, but for null, which is returned as it is or not at all.
unsafe impl GlobalAlloc for OrEnd {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those that the system's allocator asks for; so below.
        or_end(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        or_end(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        or_end(unsafe { System.realloc(pointer, layout, size) }, size)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn or_end(pointer: *mut u8, bytes: usize) -> *mut u8 {
    // A thread that is going down has no flag any more, and nobody to tell.
    if pointer.is_null() && !REFUSABLE.try_with(Cell::get).unwrap_or(true) {
        end(bytes);
    }
    pointer
}

/// Says that there is no memory and ends the process, without asking for any.
#[cold]
fn end(bytes: usize) -> ! {
    static ENDING: AtomicBool = AtomicBool::new(false);
    while ENDING.swap(true, Ordering::SeqCst) {
        // Another thread ends the process.
        std::thread::sleep(Duration::from_secs(1));
    }
    // Whatever is refused on the way out must not come here again.
    let _ = REFUSABLE.try_with(|refusable| refusable.set(true));
    let mut digits = [0; 20];
    let terminal = rustix::termios::isatty(std::io::stderr().as_fd());
    // A progress bar may have left its line unfinished and the cursor hidden.
    let parts: [&[u8]; 5] = [
        if terminal { b"\r\x1b[K\x1b[?25h" } else { b"" },
        b"error: no memory is left: ",
        decimal(bytes, &mut digits),
        if bytes == 1 { b" byte was" } else { b" bytes were" },
        b" refused\nhelp: free memory, raise the limit on it (`ulimit -v`), or take smaller batches or a smaller model; what is finished is kept, and the same command goes on from there\n",
    ];
    for part in parts {
        let _ = rustix::io::write(std::io::stderr().as_fd(), part);
    }
    std::process::exit(1)
}

fn decimal(mut number: usize, digits: &mut [u8; 20]) -> &[u8] {
    let mut begin = digits.len();
    loop {
        begin -= 1;
        digits[begin] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &digits[begin..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_without_memory() {
        let written = |number| String::from_utf8(decimal(number, &mut [0; 20]).to_vec());
        assert_eq!(written(0).as_deref(), Ok("0"));
        assert_eq!(written(usize::MAX), Ok(usize::MAX.to_string()));
    }

    #[test]
    fn who_can_be_refused_hears_of_it() {
        let mut buffer: Vec<u8> = Vec::new();
        assert!(refusable(|| buffer.try_reserve_exact(isize::MAX as usize - 64)).is_err());
    }
}
