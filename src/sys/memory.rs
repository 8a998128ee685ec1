//! The global allocator: on out-of-memory, it says so and exits with 3.

use std::alloc::{GlobalAlloc, Layout, System};

/// The exit status of a process that ran out of memory: this machine does not allow it.
pub const OUT_OF_MEMORY: i32 = 3;

const MESSAGE: &[u8] = b"nslearn: out of memory: the kernel gave no more\n  \
    A limit on address space (ulimit -v) or on memory is the likely cause.\n  \
    what to do: raise it (ulimit -v unlimited)\n";

/// The C library's allocator, with a word on where there is no more: without it, the standard library ends a program
/// that finds no memory by SIGABRT.
#[derive(Debug, Clone, Copy, Default)]
pub struct Memory;

// SAFETY: all is done by `System`, which keeps the contract; a null pointer never reaches the caller.
unsafe impl GlobalAlloc for Memory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract, which is the same.
        there(unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        there(unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: as above.
        there(unsafe { System.realloc(pointer, layout, new_size) })
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) };
    }
}

fn there(pointer: *mut u8) -> *mut u8 {
    if pointer.is_null() {
        give_up();
    }
    pointer
}

/// Nothing in here may allocate. On the stage nobody sees the message; there the program learns of it by the status.
#[cold]
fn give_up() -> ! {
    // If it cannot be written, there is nobody to tell.
    let _ = super::write_all(std::io::stderr(), MESSAGE);
    super::exit(OUT_OF_MEMORY)
}
